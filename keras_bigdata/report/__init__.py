"""One HTML page about a training, from the record that `InputReport(directory=...)` writes.

run_record    the record: its file, and what it must hold
page          record -> HTML (figures: plots as SVG; style: how it looks)
"""

from __future__ import annotations

from keras_bigdata.report.page import report_page

__all__ = ["report_page"]
