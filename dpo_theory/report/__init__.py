"""One report, rendered as text, JSON, JUnit XML, Markdown and HTML."""
