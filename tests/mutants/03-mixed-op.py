# %% given
import torch

# %% wrong: no softmax
# says: without softmax
def mix(x, operations, alpha):
    return sum(a * operation(x) for a, operation in zip(alpha, operations))

# %% wrong: sigmoid
# says: sigmoid
def mix(x, operations, alpha):
    return sum(w * operation(x) for w, operation in zip(torch.sigmoid(alpha), operations))

# %% wrong: plain mean
# says: weigh the same
def mix(x, operations, alpha):
    return torch.stack([operation(x) for operation in operations]).mean(0) + 0 * alpha.sum()

# %% wrong: hard choice
# says: only the operation with the largest alpha
def mix(x, operations, alpha):
    return operations[int(alpha.argmax())](x)

# %% wrong: mean on top of the weights
# says: mean is taken on top
def mix(x, operations, alpha):
    outputs = torch.stack([operation(x) for operation in operations])
    return (alpha.softmax(0)[:, None] * outputs).mean(0)

# %% wrong: softmax of minus alpha
# says: sign turned
def mix(x, operations, alpha):
    return sum(w * operation(x) for w, operation in zip((-alpha).softmax(0), operations))

# %% wrong: exponentials without their sum
# says: nobody divided
def mix(x, operations, alpha):
    return sum(w * operation(x) for w, operation in zip(alpha.exp(), operations))

# %% wrong: softmax by hand overflows
# says: exp overflows
def mix(x, operations, alpha):
    weights = alpha.exp() / alpha.exp().sum()
    return sum(w * operation(x) for w, operation in zip(weights, operations))

# %% wrong: weights as plain numbers
# says: left the graph
def mix(x, operations, alpha):
    weights = alpha.softmax(0).tolist()
    return sum(w * operation(x) for w, operation in zip(weights, operations))

# %% wrong: asks each operation twice
# says: do not ask again
def mix(x, operations, alpha):
    weights = alpha.softmax(0)
    total = torch.zeros_like(operations[0](x))
    for w, operation in zip(weights, operations):
        total = total + w * operation(x)
    return total

# %% wrong: a new alpha of the same numbers
# says: no gradient can flow from the result to alpha
def mix(x, operations, alpha):
    own = torch.tensor(alpha.tolist(), dtype=alpha.dtype, requires_grad=True)
    return sum(w * operation(x) for w, operation in zip(own.softmax(0), operations))

# %% right: loop
def mix(x, operations, alpha):
    weights, total = alpha.softmax(0), 0
    for w, operation in zip(weights, operations):
        total = total + w * operation(x)
    return total

# %% right: vectorised
def mix(x, ops, a):
    return torch.einsum("i,i...->...", torch.softmax(a, dim=-1), torch.stack([op(x) for op in ops]))

# %% right: softmax by hand, shifted
def mix(signal, candidates, alpha):
    e = (alpha - alpha.max().detach()).exp()
    w = e / e.sum()
    return sum(wi * c(signal) for wi, c in zip(w, candidates))
