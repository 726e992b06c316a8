"""HTML pages in one file: about a training, and about images of a set.

run_record    writes and reads the record of `InputReport(directory=...)`
training_page record -> HTML (figures: plots as SVG)
contact_sheet images of a set -> HTML

Both pages use: style (their CSS), document (the HTML around their content).
"""

from __future__ import annotations

from keras_bigdata.report.contact_sheet import contact_sheet_page
from keras_bigdata.report.training_page import report_page

__all__ = ["contact_sheet_page", "report_page"]
