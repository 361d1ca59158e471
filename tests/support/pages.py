"""Reads a page as a browser would see its structure, without one."""

from html.parser import HTMLParser

#: Elements that HTML never closes, or that may stay open.
_VOID = {"meta", "link", "img", "br", "hr", "input", "line", "rect"}


class Page(HTMLParser):
    """The elements, attributes and visible text of a page; nesting errors are kept too."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self.attributes = []
        self.texts = []
        self.styles = []
        self.nesting_errors = []
        self._open = []
        self.feed(html)
        self.close()
        self.nesting_errors += [f"{tag} is not closed" for tag in self._open]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if not self._open or self._open[-1] != tag:
            self.nesting_errors.append(f"</{tag}> at {self.getpos()} closes {self._open[-1:]}")
            return
        self._open.pop()

    def handle_data(self, data):
        if self._open and self._open[-1] == "style":
            self.styles.append(data)
        elif data.strip():
            self.texts.append(" ".join(data.split()))

    @property
    def text(self):
        return " ".join(self.texts)

    def find(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]
