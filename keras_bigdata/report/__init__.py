"""HTML pages in one file: about a training, and about images of a set.

run_record    the record of `InputReport(directory=...)`: its file, and what it must hold
page          record -> HTML (figures: plots as SVG)
contact_sheet images of a set -> HTML

Used by both pages: style (how they look), document (what stands around the content).
"""

from __future__ import annotations

from keras_bigdata.report.contact_sheet import contact_sheet_page
from keras_bigdata.report.page import report_page

__all__ = ["contact_sheet_page", "report_page"]
