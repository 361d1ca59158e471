"""What people read of an evaluation: lines for a terminal, one page for a browser."""

from producer.report.figures import BaselineComparison, Mistake
from producer.report.html_report import render_html
from producer.report.text_report import render_text

__all__ = ["BaselineComparison", "Mistake", "render_html", "render_text"]
