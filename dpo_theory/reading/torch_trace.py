"""Torch code on symbols: an ATen graph from `make_fx`, interpreted with SymPy expressions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy as sp

from dpo_theory.reading.numpy_trace import UFUNCS, UnknownOperation, elementwise

__all__ = ["Detached", "trace"]


class Detached(sp.Function):
    """A value that autograd does not see: its derivative is 0."""

    nargs = 1
    is_real = True

    def fdiff(self, argindex: int = 1) -> Any:
        return sp.S.Zero


def trace(function: Callable[..., Any], symbols: Sequence[Any], example: Sequence[float]) -> Any:
    """The expression that `function` computes on four or more torch tensors of shape (1,).

    Args:
        function: tensors (1,) -> tensor (1,) or scalar.
        symbols: one for each argument.
        example: the point at which the graph is recorded.

    Returns:
        A SymPy expression.

    Raises:
        UnknownOperation: an ATen operation without a reading, or code that looks at values.
    """
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    inputs = [torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in example]
    try:
        graph = make_fx(function)(*inputs)
    except Exception as error:
        raise UnknownOperation(f"torch cannot trace it ({type(error).__name__}: {str(error).splitlines()[0]})") from None
    graph.graph.eliminate_dead_code()
    values: dict[Any, Any] = {}
    arguments = iter(symbols)
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            values[node] = np.array([next(arguments)], dtype=object)
        elif node.op == "get_attr":
            values[node] = _constant(getattr(graph, node.target))
        elif node.op == "call_function":
            args = torch.fx.node.map_arg(node.args, lambda n: values[n])
            kwargs = torch.fx.node.map_arg(dict(node.kwargs), lambda n: values[n])
            values[node] = _call(node.target, args, kwargs)
        elif node.op == "output":
            result = node.args[0]
            result = result[0] if isinstance(result, list | tuple) else result
            out = np.asarray(values[result], dtype=object)
            if out.size != 1:
                raise UnknownOperation(f"one pair gives {out.size} values, expected 1")
            return sp.sympify(out.reshape(()).item())
        else:
            raise UnknownOperation(f"the graph holds a {node.op}")
    raise UnknownOperation("the graph has no output")


def _constant(tensor: Any) -> Any:
    array = tensor.detach().cpu().numpy()
    return elementwise(sp.sympify, array.astype(object))


def _call(target: Any, args: Any, kwargs: Any) -> Any:
    if target is operator.getitem:
        return args[0][args[1]]
    name = target.overloadpacket.__name__
    if name in UNARY and len(args) == 1:
        return elementwise(UNARY[name], args[0])
    if name in SPECIAL:
        return SPECIAL[name](*args, **kwargs)
    if name in UFUNC_NAMES:
        return elementwise(UFUNCS[UFUNC_NAMES[name]], *args[: 1 if name in ("neg",) else 2])
    raise UnknownOperation(f"aten.{name} has no symbolic reading")


def _scaled(sign: int) -> Callable[..., Any]:
    return lambda x, y, alpha=1: elementwise(lambda a, b: a + sign * sp.sympify(alpha) * b, x, y)


def _clamp(x: Any, low: Any = None, high: Any = None, **named: Any) -> Any:
    low, high = named.get("min", low), named.get("max", high)
    x = x if low is None else elementwise(sp.Max, x, low)
    return x if high is None else elementwise(sp.Min, x, high)


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduced(x: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
        axis = None if dim is None or dim == [] else tuple(dim) if isinstance(dim, list | tuple) else dim
        return function(np.asarray(x, dtype=object), axis, keepdim)

    return reduced


def _logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    total = np.sum(elementwise(sp.exp, x), axis=axis, keepdims=keepdims)
    return elementwise(sp.log, total)


def _log_softmax(x: Any, dim: int, *_: Any) -> Any:
    return elementwise(operator.sub, x, _logsumexp(x, dim, True))


def _filled(x: Any, value: Any) -> Any:
    return np.full(np.asarray(x).shape, sp.sympify(value), dtype=object)


def _cross_entropy(x: Any, target: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 1) -> Any:
    if weight is not None or pos_weight is not None:
        raise UnknownOperation("aten.binary_cross_entropy_with_logits with weights has no symbolic reading")
    loss = elementwise(lambda v, t: (1 - t) * v + sp.log(1 + sp.exp(-v)), x, target)
    return (loss, np.mean(loss), np.sum(loss))[reduction]


SAME_NAME = ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "tanh", "sqrt", "square", "reciprocal", "logical_not")
UNARY: dict[str, Callable[..., Any]] = {
    **{name: UFUNCS[name] for name in SAME_NAME},
    "neg": UFUNCS["negative"],
    "sigmoid": UFUNCS["expit"],
    "relu": lambda x: sp.Max(x, 0),
    "abs": UFUNCS["absolute"],
    "bitwise_not": UFUNCS["logical_not"],
    "detach": Detached,
    "clone": lambda x: x,
    "alias": lambda x: x,
    "lift_fresh_copy": lambda x: x,
    "lift_fresh": lambda x: x,
}
UFUNC_NAMES = {
    "mul": "multiply",
    "div": "divide",
    "pow": "power",
    "maximum": "maximum",
    "minimum": "minimum",
    "logaddexp": "logaddexp",
    "xlogy": "xlogy",
    "gt": "greater",
    "ge": "greater_equal",
    "lt": "less",
    "le": "less_equal",
    "logical_and": "logical_and",
    "bitwise_and": "logical_and",
    "logical_or": "logical_or",
    "bitwise_or": "logical_or",
}
SPECIAL: dict[str, Callable[..., Any]] = {
    "add": _scaled(1),
    "sub": _scaled(-1),
    "rsub": lambda x, y, alpha=1: elementwise(lambda a, b: b - sp.sympify(alpha) * a, x, y),
    "log_sigmoid_forward": lambda x: (elementwise(lambda v: -sp.log(1 + sp.exp(-v)), x), None),
    "softplus": lambda x, beta=1, threshold=20: elementwise(lambda v: sp.log(1 + sp.exp(v * beta)) / beta, x),
    "binary_cross_entropy_with_logits": _cross_entropy,
    "clamp": _clamp,
    "clamp_min": lambda x, low: _clamp(x, low),
    "clamp_max": lambda x, high: _clamp(x, None, high),
    "where": lambda c, y, n: elementwise(lambda a, b, d: sp.Piecewise((b, a), (d, True)), c, y, n),
    "mean": _reduce(lambda x, axis, keep: np.mean(x, axis=axis, keepdims=keep)),
    "sum": _reduce(lambda x, axis, keep: np.sum(x, axis=axis, keepdims=keep)),
    "logsumexp": _reduce(_logsumexp),
    "_log_softmax": _log_softmax,
    "_softmax": lambda x, dim, *_: elementwise(sp.exp, _log_softmax(x, dim)),
    "stack": lambda xs, dim=0: np.stack([np.asarray(x, dtype=object) for x in xs], axis=dim),
    "cat": lambda xs, dim=0: np.concatenate([np.asarray(x, dtype=object) for x in xs], axis=dim),
    "slice": lambda x, dim=0, start=None, end=None, step=1: x[(slice(None),) * dim + (slice(start, end, step),)],
    "split": lambda x, size, dim=0: np.split(x, range(size, x.shape[dim], size), axis=dim),
    "select": lambda x, dim, index: np.take(x, index, axis=dim),
    "unsqueeze": lambda x, dim: np.expand_dims(x, dim),
    "squeeze": lambda x, dim=None: np.squeeze(x, axis=tuple(dim) if isinstance(dim, list) else dim),
    "view": lambda x, shape: np.reshape(x, shape),
    "reshape": lambda x, shape: np.reshape(x, shape),
    "expand": lambda x, shape: np.broadcast_to(x, [n if s == -1 else s for s, n in zip(shape, x.shape, strict=False)] or x.shape),
    "_to_copy": lambda x, **_: x,
    "zeros_like": lambda x, **_: _filled(x, 0),
    "ones_like": lambda x, **_: _filled(x, 1),
    "full_like": lambda x, value, **_: _filled(x, value),
    "scalar_tensor": lambda value, **_: np.array(sp.sympify(value), dtype=object),
    "full": lambda shape, value, **_: np.full(shape, sp.sympify(value), dtype=object),
}
