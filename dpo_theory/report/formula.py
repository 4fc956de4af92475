"""LaTeX, as SymPy writes it, as MathML: every browser shows it, without network and without script.

SymPy's own MathML printer drops parentheses in derivatives; its LaTeX printer is right, so that is what is translated. Commands that
SymPy does not use here are refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["UnknownLatex", "mathml"]

NAMES = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda", "mu", "nu", "xi", "pi", "rho", "sigma"),
    *("tau", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega"),
)
GREEK = dict(zip(NAMES, "αβγδεζηθκλμνξπρστφχψωΓΔΘΛΞΠΣΦΨΩ", strict=True))
SIGNS = {"ge": "≥", "le": "≤", "ne": "≠", "in": "∈", "infty": "∞", "cdot": "·", "partial": "∂", "to": "→", "mid": "|"}
FUNCTIONS = ("log", "exp", "min", "max", "lim", "sup", "inf", "det", "tanh", "erf")
BIG = {"sum": "∑", "prod": "∏", "int": "∫"}
SPACES = (",", ";", ":", "!", " ", "quad")

_TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|[A-Za-z]+|\d+(?:\.\d+)?|\S")
_ESCAPED = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


class UnknownLatex(ValueError):
    """The formula uses what this translation does not know."""


def mathml(latex: str) -> str:
    r"""The formula as one `<math>` element, in ASCII.

    Args:
        latex: what SymPy's LaTeX printer writes.

    Raises:
        UnknownLatex: a command is not known, or a bracket is not closed.

    >>> mathml(r"\frac{1}{n}")
    '<math display="block"><mfrac><mn>1</mn><mi>n</mi></mfrac></math>'
    """
    reader = _Reader(latex)
    parts = list(reader.items(""))
    return f'<math display="block">{"".join(parts)}</math>'.encode("ascii", "xmlcharrefreplace").decode("ascii")


class _Reader:
    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens = _TOKEN.findall(latex)
        self.place = 0

    def items(self, end: str) -> Iterator[str]:
        """Elements up to the token `end`, which is consumed; up to the end of the formula where it is empty."""
        while self.place < len(self.tokens):
            if self.tokens[self.place] == end:
                self.place += 1
                return
            yield self.scripted()
        if end:
            raise UnknownLatex(f"{end!r} is missing at the end of {self.latex!r}.")

    def scripted(self) -> str:
        """An atom with what stands below and above it."""
        big = self.peek().removeprefix("\\") in BIG
        base, below, above = self.atom(), "", ""
        while self.peek() in ("_", "^"):
            sign = self.take()
            if below if sign == "_" else above:
                raise UnknownLatex(f"two {sign!r} at one place of {self.latex!r}.")
            if sign == "_":
                below = self.atom()
            else:
                above = self.atom()
        if not below and not above:
            return base
        name = ("munder", "mover", "munderover") if big else ("msub", "msup", "msubsup")
        kind = name[2] if below and above else name[0] if below else name[1]
        return f"<{kind}>{base}{below}{above}</{kind}>"

    def atom(self) -> str:
        token = self.take()
        if token == "{":
            return _row(list(self.items("}")))
        if token[0] == "\\":
            return self.command(token[1:])
        if token.isalpha():
            return f"<mi>{token}</mi>"
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token in "+-=<>(),.|/*[]!":
            return f"<mo>{'−' if token == '-' else _ESCAPED.get(token, token)}</mo>"
        if token == "'":
            return "<mo>′</mo>"
        raise UnknownLatex(f"{token!r} in {self.latex!r} is not known.")

    def command(self, name: str) -> str:
        if name == "frac":
            return f"<mfrac>{self.atom()}{self.atom()}</mfrac>"
        if name == "sqrt":
            if self.peek() != "[":
                return f"<msqrt>{self.atom()}</msqrt>"
            self.take()
            degree = _row(list(self.items("]")))
            return f"<mroot>{self.atom()}{degree}</mroot>"
        if name in ("mathrm", "operatorname", "text"):
            return f'<mi mathvariant="normal">{self.words()}</mi>'
        if name == "left":
            return self.fenced()
        if name in GREEK:
            return f"<mi>{GREEK[name]}</mi>"
        if name in FUNCTIONS:
            return f"<mi>{name}</mi><mo>&#8289;</mo>" if self.peek() not in ("_", "^") else f"<mi>{name}</mi>"
        if name in BIG:
            return f"<mo>{BIG[name]}</mo>"
        if name in SIGNS:
            return f"<mo>{SIGNS[name]}</mo>"
        if name in SPACES:
            return "<mspace width='.2em'/>"
        raise UnknownLatex(f"\\{name} in {self.latex!r} is not known.")

    def fenced(self) -> str:
        left = self.take()
        inside = list(self.items("\\right"))
        right = self.take()
        if left not in "([|." or right not in ")]|.":
            raise UnknownLatex(f"the bracket {left!r} ... {right!r} in {self.latex!r} is not known.")
        return "".join(["<mrow>", _fence(left), *inside, _fence(right), "</mrow>"])

    def words(self) -> str:
        if self.take() != "{":
            raise UnknownLatex(f"a name without braces in {self.latex!r}.")
        said = []
        while (token := self.take()) != "}":
            if not token.replace("_", "").replace("\\", "").isalnum() and token not in ("\\_", "_"):
                raise UnknownLatex(f"{token!r} in a name of {self.latex!r} is not known.")
            said.append(token.replace("\\", ""))
        return "".join(said)

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        if self.place == len(self.tokens):
            raise UnknownLatex(f"{self.latex!r} ends too early.")
        self.place += 1
        return self.tokens[self.place - 1]


def _row(parts: list[str]) -> str:
    single = len(parts) == 1 and not parts[0].endswith("<mo>&#8289;</mo>")
    return parts[0] if single else f"<mrow>{''.join(parts)}</mrow>"


def _fence(sign: str) -> str:
    return "" if sign == "." else f"<mo>{sign}</mo>"
