# %% given
import torch
from torch.autograd import grad


def put(weights, values):
    with torch.no_grad():
        for w, value in zip(weights, values):
            w.copy_(value)


def answer(weights, alpha, train_loss, valid_loss, xi, epsilon, combine):
    """Everything up to the last line; `combine(direct, plus, minus, eps)` is that line."""
    start = [w.detach().clone() for w in weights]
    put(weights, [w - xi * g for w, g in zip(start, grad(train_loss(), weights))])
    direct, *v = grad(valid_loss(), [alpha, *weights])
    eps = epsilon / torch.cat([part.flatten() for part in v]).norm()
    put(weights, [w + eps * part for w, part in zip(start, v)])
    (plus,) = grad(train_loss(), [alpha])
    put(weights, [w - eps * part for w, part in zip(start, v)])
    (minus,) = grad(train_loss(), [alpha])
    put(weights, start)
    return combine(direct, plus, minus, eps)

# %% wrong: first order
# says: this is the first order
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    return grad(valid_loss(), [alpha])[0]

# %% wrong: puts new tensors into the list
# says: in place
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    start = [w.detach().clone() for w in weights]
    weights[:] = [w - xi * g for w, g in zip(start, grad(train_loss(), weights))]
    return grad(valid_loss(), [alpha])[0]

# %% wrong: no second-order term
# says: term is missing
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    return answer(weights, alpha, train_loss, valid_loss, xi, epsilon, lambda d, p, m, eps: d)

# %% wrong: times eps
# says: multiplied by eps
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    return answer(weights, alpha, train_loss, valid_loss, xi, epsilon, lambda d, p, m, eps: d - xi * (p - m) * eps)

# %% wrong: precedence
# says: a / 2 * eps
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    return answer(weights, alpha, train_loss, valid_loss, xi, epsilon, lambda d, p, m, eps: d - xi * (p - m) / 2 * eps)

# %% wrong: divided by eps only
# says: 2 eps apart
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    return answer(weights, alpha, train_loss, valid_loss, xi, epsilon, lambda d, p, m, eps: d - xi * (p - m) / eps)

# %% wrong: plus instead of minus
# says: sign of the second-order term
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    return answer(weights, alpha, train_loss, valid_loss, xi, epsilon, lambda d, p, m, eps: d + xi * (p - m) / (2 * eps))

# %% wrong: xi forgotten
# says: xi is missing
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    return answer(weights, alpha, train_loss, valid_loss, xi, epsilon, lambda d, p, m, eps: d - (p - m) / (2 * eps))

# %% wrong: difference around the stepped weights
# says: around w', not around w
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    start = [w.detach().clone() for w in weights]
    stepped = [w - xi * g for w, g in zip(start, grad(train_loss(), weights))]
    put(weights, stepped)
    direct, *v = grad(valid_loss(), [alpha, *weights])
    eps = epsilon / torch.cat([part.flatten() for part in v]).norm()
    put(weights, [w + eps * part for w, part in zip(stepped, v)])
    (plus,) = grad(train_loss(), [alpha])
    put(weights, [w - eps * part for w, part in zip(stepped, v)])
    (minus,) = grad(train_loss(), [alpha])
    put(weights, start)
    return direct - xi * (plus - minus) / (2 * eps)

# %% wrong: validation slopes before the step
# says: slope at w, not at w'
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    start = [w.detach().clone() for w in weights]
    v = grad(valid_loss(), weights)
    put(weights, [w - xi * g for w, g in zip(start, grad(train_loss(), weights))])
    (direct,) = grad(valid_loss(), [alpha])
    eps = epsilon / torch.cat([part.flatten() for part in v]).norm()
    put(weights, [w + eps * part for w, part in zip(start, v)])
    (plus,) = grad(train_loss(), [alpha])
    put(weights, [w - eps * part for w, part in zip(start, v)])
    (minus,) = grad(train_loss(), [alpha])
    put(weights, start)
    return direct - xi * (plus - minus) / (2 * eps)

# %% wrong: one-sided difference
# says: one-sided
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    start = [w.detach().clone() for w in weights]
    *inner, here = grad(train_loss(), [*weights, alpha])
    put(weights, [w - xi * g for w, g in zip(start, inner)])
    direct, *v = grad(valid_loss(), [alpha, *weights])
    eps = epsilon / torch.cat([part.flatten() for part in v]).norm()
    put(weights, [w + eps * part for w, part in zip(start, v)])
    (plus,) = grad(train_loss(), [alpha])
    put(weights, start)
    return direct - xi * (plus - here) / eps

# %% wrong: epsilon as it is
# says: not divided by the length of v
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    start = [w.detach().clone() for w in weights]
    put(weights, [w - xi * g for w, g in zip(start, grad(train_loss(), weights))])
    direct, *v = grad(valid_loss(), [alpha, *weights])
    put(weights, [w + epsilon * part for w, part in zip(start, v)])
    (plus,) = grad(train_loss(), [alpha])
    put(weights, [w - epsilon * part for w, part in zip(start, v)])
    (minus,) = grad(train_loss(), [alpha])
    put(weights, start)
    return direct - xi * (plus - minus) / (2 * epsilon)

# %% wrong: weights stay stepped
# says: a copy, then back
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    found = answer(weights, alpha, train_loss, valid_loss, xi, epsilon, lambda d, p, m, eps: d - xi * (p - m) / (2 * eps))
    put(weights, [w - xi * g for w, g in zip(weights, grad(train_loss(), weights))])
    return found

# %% wrong: goes back by adding
# says: rounds
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    start = [w.detach().clone() for w in weights]
    inner = grad(train_loss(), weights)
    put(weights, [w - xi * g for w, g in zip(start, inner)])
    direct, *v = grad(valid_loss(), [alpha, *weights])
    eps = epsilon / torch.cat([part.flatten() for part in v]).norm()
    put(weights, [w + xi * g + eps * part for w, g, part in zip(weights, inner, v)])
    (plus,) = grad(train_loss(), [alpha])
    put(weights, [w - 2 * eps * part for w, part in zip(weights, v)])
    (minus,) = grad(train_loss(), [alpha])
    put(weights, [w + eps * part for w, part in zip(weights, v)])
    return direct - xi * (plus - minus) / (2 * eps)

# %% wrong: backward writes into grad
# says: writes into .grad
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    everything = [*weights, alpha]
    start = [w.detach().clone() for w in weights]

    def slopes(loss):
        for tensor in everything:
            tensor.grad = None
        loss().backward()
        return [tensor.grad.clone() for tensor in everything]

    put(weights, [w - xi * g for w, g in zip(start, slopes(train_loss))])
    *v, direct = slopes(valid_loss)
    eps = epsilon / torch.cat([part.flatten() for part in v]).norm()
    put(weights, [w + eps * part for w, part in zip(start, v)])
    plus = slopes(train_loss)[-1]
    put(weights, [w - eps * part for w, part in zip(start, v)])
    minus = slopes(train_loss)[-1]
    put(weights, start)
    return direct - xi * (plus - minus) / (2 * eps)

# %% wrong: two evaluations for two slopes
# says: by alpha and by the weights together
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    extra = []
    found = answer(weights, alpha, train_loss, lambda: extra.append(valid_loss()) or valid_loss(), xi, epsilon,
                   lambda d, p, m, eps: d - xi * (p - m) / (2 * eps))
    return found

# %% wrong: the copy is no copy
# says: detach() without clone() keeps the same memory
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    start = [w.detach() for w in weights]
    put(weights, [w - xi * g for w, g in zip(start, grad(train_loss(), weights))])
    direct, *v = grad(valid_loss(), [alpha, *weights])
    eps = epsilon / torch.cat([part.flatten() for part in v]).norm()
    put(weights, [w + eps * part for w, part in zip(start, v)])
    (plus,) = grad(train_loss(), [alpha])
    put(weights, [w - eps * part for w, part in zip(start, v)])
    (minus,) = grad(train_loss(), [alpha])
    put(weights, start)
    return direct - xi * (plus - minus) / (2 * eps)

# %% wrong: lengths of single tensors
# says: the length of v is taken tensor by tensor
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    start = [w.detach().clone() for w in weights]
    put(weights, [w - xi * g for w, g in zip(start, grad(train_loss(), weights))])
    direct, *v = grad(valid_loss(), [alpha, *weights])
    eps = [epsilon / part.norm() for part in v]
    put(weights, [w + e * part for w, e, part in zip(start, eps, v)])
    (plus,) = grad(train_loss(), [alpha])
    put(weights, [w - e * part for w, e, part in zip(start, eps, v)])
    (minus,) = grad(train_loss(), [alpha])
    put(weights, start)
    return direct - xi * (plus - minus) / (2 * eps[-1])

# %% wrong: each tensor its own length, one length below
# says: each tensor of v got a length of its own
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    start = [w.detach().clone() for w in weights]
    put(weights, [w - xi * g for w, g in zip(start, grad(train_loss(), weights))])
    direct, *v = grad(valid_loss(), [alpha, *weights])
    put(weights, [w + epsilon * part / part.norm() for w, part in zip(start, v)])
    (plus,) = grad(train_loss(), [alpha])
    put(weights, [w - epsilon * part / part.norm() for w, part in zip(start, v)])
    (minus,) = grad(train_loss(), [alpha])
    put(weights, start)
    eps = epsilon / torch.cat([part.flatten() for part in v]).norm()
    return direct - xi * (plus - minus) / (2 * eps)

# %% right: in numpy's manner
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    return answer(weights, alpha, train_loss, valid_loss, xi, epsilon,
                  lambda direct, plus, minus, eps: direct - (xi / (2.0 * eps)) * (plus - minus))

# %% right: data and a loop
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    kept = [w.data.clone() for w in weights]
    for w, g in zip(weights, grad(train_loss(), weights)):
        w.data -= xi * g
    slopes = grad(valid_loss(), list(weights) + [alpha])
    v, result = slopes[:-1], slopes[-1].clone()
    length = sum(float((part**2).sum()) for part in v) ** 0.5
    for sign in (+1, -1):
        for w, old, part in zip(weights, kept, v):
            w.data = old + sign * epsilon / length * part
        result -= sign * xi * length / (2 * epsilon) * grad(train_loss(), alpha)[0]
    for w, old in zip(weights, kept):
        w.data = old
    return result

# %% right: exact second derivative, no difference at all
def unrolled_gradient(weights, alpha, train_loss, valid_loss, xi, epsilon=0.01):
    start = [w.detach().clone() for w in weights]
    put(weights, [w - xi * g for w, g in zip(start, grad(train_loss(), weights))])
    direct, *v = grad(valid_loss(), [alpha, *weights])
    put(weights, start)
    slopes = grad(train_loss(), weights, create_graph=True)
    along = sum((slope * part).sum() for slope, part in zip(slopes, v))
    return direct - xi * grad(along, alpha)[0]
