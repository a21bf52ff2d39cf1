# %% given
import copy
import math

import numpy as np
import torch
from torch import nn


def _kernel(codes):
    return (codes[:, None] == codes[None]).sum(-1).double()


def good_naswot(codes):
    return torch.linalg.slogdet(_kernel(codes))[1]


def good_synflow(network, size):
    parameters = list(network.parameters())
    before = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for p in parameters:
            p.abs_()
    slopes = torch.autograd.grad(network(torch.ones(1, size)).sum(), parameters)
    score = sum((p.detach() * slope).sum() for p, slope in zip(parameters, slopes))
    with torch.no_grad():
        for p, kept in zip(parameters, before):
            p.copy_(kept)
    return score


def signed_flow(network, size):
    parameters = list(network.parameters())
    return parameters, torch.autograd.grad(network(torch.ones(1, size)).sum(), parameters)


naswot, synflow = good_naswot, good_synflow

# %% wrong: log2
# says: log2
def naswot(codes):
    return torch.linalg.slogdet(_kernel(codes))[1] / math.log(2)

# %% wrong: log10
# says: log10
def naswot(codes):
    return torch.linalg.slogdet(_kernel(codes))[1] / math.log(10)

# %% wrong: the determinant
# says: not its logarithm
def naswot(codes):
    return torch.linalg.det(_kernel(codes))

# %% wrong: the sign of slogdet
# says: gives the sign first
def naswot(codes):
    return torch.linalg.slogdet(_kernel(codes))[0]

# %% wrong: distances in the kernel
# says: K holds the distances
def naswot(codes):
    return torch.linalg.slogdet((codes[:, None] != codes[None]).sum(-1).double())[1]

# %% wrong: only what is active
# says: silent for both
def naswot(codes):
    codes = codes.double()
    return torch.linalg.slogdet(codes @ codes.T)[1]

# %% wrong: codes of plus and minus one
# says: agreements minus disagreements
def naswot(codes):
    codes = 2 * codes.double() - 1
    return torch.linalg.slogdet(codes @ codes.T)[1]

# %% wrong: units compared
# says: K compares the units
def naswot(codes):
    return torch.linalg.slogdet(_kernel(codes.T))[1]

# %% wrong: divided by the units
# says: divided by the number of units
def naswot(codes):
    return torch.linalg.slogdet(_kernel(codes) / codes.shape[1])[1]

# %% wrong: divided by the inputs
# says: divided by the number of inputs
def naswot(codes):
    return torch.linalg.slogdet(_kernel(codes))[1] / len(codes)

# %% wrong: sign of the score
# says: the sign of the score is turned
def naswot(codes):
    return -torch.linalg.slogdet(_kernel(codes))[1]

# %% wrong: only the diagonal
# says: only the diagonal
def naswot(codes):
    return _kernel(codes).diagonal().log().sum()

# %% wrong: K added up
# says: K is added up
def naswot(codes):
    return _kernel(codes).sum().log()

# %% wrong: logarithm of a determinant that is too large
# says: larger than any float
def naswot(codes):
    return torch.linalg.det(_kernel(codes)).log()

# %% wrong: a little is added to the diagonal
# says: K has no inverse
def naswot(codes):
    return torch.linalg.slogdet(_kernel(codes) + 1e-5 * torch.eye(len(codes)))[1].clamp(min=-3)

# %% wrong: signs kept
# says: keep their signs, so that paths cancel
def synflow(network, size):
    return sum((p * s).sum() for p, s in zip(*signed_flow(network, size)))

# %% wrong: absolute at the end
# says: comes after the gradient
def synflow(network, size):
    return sum((p * s).abs().sum() for p, s in zip(*signed_flow(network, size)))

# %% wrong: signs are back before the product
# says: put them back after the product
def synflow(network, size):
    positive = copy.deepcopy(network)
    with torch.no_grad():
        for p in positive.parameters():
            p.abs_()
    _, slopes = signed_flow(positive, size)
    return sum((p * s).sum() for p, s in zip(network.parameters(), slopes))

# %% wrong: slopes alone
# says: without their parameters
def synflow(network, size):
    positive = copy.deepcopy(network)
    with torch.no_grad():
        for p in positive.parameters():
            p.abs_()
    return sum(s.abs().sum() for s in signed_flow(positive, size)[1])

# %% wrong: R itself
# says: this is R itself
def synflow(network, size):
    positive = copy.deepcopy(network)
    with torch.no_grad():
        for p in positive.parameters():
            p.abs_()
        return positive(torch.ones(1, size)).sum()

# %% wrong: weights alone
# says: biases are left out
def synflow(network, size):
    positive = copy.deepcopy(network)
    with torch.no_grad():
        for p in positive.parameters():
            p.abs_()
    return sum((p * s).sum() for p, s in zip(*signed_flow(positive, size)) if p.ndim == 2)

# %% wrong: biases keep their signs
# says: biases keep their signs
def synflow(network, size):
    positive = copy.deepcopy(network)
    with torch.no_grad():
        for layer in positive:
            if isinstance(layer, nn.Linear):
                layer.weight.abs_()
    return sum((p * s).sum() for p, s in zip(*signed_flow(positive, size)))

# %% wrong: only the first layer
# says: only the first layer
def synflow(network, size):
    positive = copy.deepcopy(network)
    with torch.no_grad():
        for p in positive.parameters():
            p.abs_()
    parameters = list(positive[0].parameters())
    slopes = torch.autograd.grad(positive(torch.ones(1, size)).sum(), parameters)
    return sum((p * s).sum() for p, s in zip(parameters, slopes))

# %% wrong: the mean over all parameters
# says: mean over the parameters
def synflow(network, size):
    return good_synflow(network, size) / sum(p.numel() for p in network.parameters())

# %% wrong: the mean of the outputs
# says: not their mean
def synflow(network, size):
    return good_synflow(network, size) / network[-1].out_features

# %% wrong: zeros
# says: the input is zeros
def synflow(network, size):
    positive = copy.deepcopy(network)
    with torch.no_grad():
        for p in positive.parameters():
            p.abs_()
    parameters = list(positive.parameters())
    slopes = torch.autograd.grad(positive(torch.zeros(1, size)).sum(), parameters)
    return sum((p * s).sum() for p, s in zip(parameters, slopes))

# %% wrong: a logarithm
# says: this is a logarithm
def synflow(network, size):
    return good_synflow(network, size).log()

# %% wrong: minimised
# says: the sign of the score is turned
def synflow(network, size):
    return -good_synflow(network, size)

# %% wrong: left absolute
# says: left absolute
def synflow(network, size):
    with torch.no_grad():
        for p in network.parameters():
            p.abs_()
    return sum((p * s).sum() for p, s in zip(*signed_flow(network, size)))

# %% wrong: not what it was
# says: a copy, then back
def synflow(network, size):
    score = good_synflow(network, size)
    with torch.no_grad():
        for p in network.parameters():
            p.mul_(2.0)
    return score

# %% wrong: another tensor
# says: another tensor
def synflow(network, size):
    score = good_synflow(network, size)
    for layer in network:
        if isinstance(layer, nn.Linear):
            layer.weight = nn.Parameter(layer.weight.detach().clone())
    return score

# %% wrong: adds to old gradients
# says: adds to what .grad held
def synflow(network, size):
    parameters = list(network.parameters())
    before = [p.detach().clone() for p in parameters]
    for p in parameters:
        p.data.abs_()
    network(torch.ones(1, size)).sum().backward()
    score = sum((p * p.grad).sum().item() for p in parameters)
    for p, kept in zip(parameters, before):
        p.data.copy_(kept)
    return score

# %% wrong: throws old gradients away
# says: writes into .grad
def synflow(network, size):
    network.zero_grad()
    parameters = list(network.parameters())
    before = [p.detach().clone() for p in parameters]
    for p in parameters:
        p.data.abs_()
    network(torch.ones(1, size)).sum().backward()
    score = sum((p * p.grad).sum().item() for p in parameters)
    for p, kept in zip(parameters, before):
        p.data.copy_(kept)
    return score

# %% wrong: a pass for each parameter
# says: one call of grad
def synflow(network, size):
    positive = copy.deepcopy(network)
    with torch.no_grad():
        for p in positive.parameters():
            p.abs_()
    slopes = [torch.autograd.grad(positive(torch.ones(1, size)).sum(), p)[0] for p in positive.parameters()]
    return sum((p * s).sum() for p, s in zip(positive.parameters(), slopes))

# %% right: products of codes, a copy of the network
def naswot(codes):
    codes = codes.float()
    return float(torch.logdet(codes @ codes.T + (1 - codes) @ (1 - codes).T))

def synflow(network, size):
    positive = copy.deepcopy(network)
    for p in positive.parameters():
        p.data = p.data.abs()
    parameters, slopes = signed_flow(positive, size)
    return float(sum((p * s).sum() for p, s in zip(parameters, slopes)))

# %% right: NumPy and loops; how the flow grows with all parameters
def naswot(codes):
    rows = codes.numpy()
    K = np.zeros((len(rows), len(rows)))
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            K[i, j] = len(a) - np.sum(a != b)
    sign, value = np.linalg.slogdet(K)
    return value if sign > 0 else -np.inf

def synflow(network, size):
    grow = torch.ones(1, dtype=torch.float64, requires_grad=True)
    x = torch.ones(size, dtype=torch.float64)
    for layer in network:
        if isinstance(layer, nn.Linear):
            x = (layer.weight.detach().double().abs() * grow) @ x
            if layer.bias is not None:
                x = x + layer.bias.detach().double().abs() * grow
    return torch.autograd.grad(x.sum(), grow)[0][0]

# %% right: signs kept aside, hamming first
def naswot(codes):
    hamming = torch.cdist(codes.double(), codes.double(), p=1)
    return torch.slogdet(codes.shape[1] - hamming).logabsdet.item()

def synflow(network, size):
    signs = {name: p.data.sign() for name, p in network.named_parameters()}
    for p in network.parameters():
        p.data.abs_()
    R = network(torch.ones(size)).sum()
    score = 0.0
    for p, slope in zip(network.parameters(), torch.autograd.grad(R, tuple(network.parameters()))):
        score += (p.data * slope).sum().item()
    for name, p in network.named_parameters():
        p.data.mul_(signs[name])
    return score

# %% right: functional call
def naswot(codes):
    same = ~(codes.unsqueeze(0) ^ codes.unsqueeze(1))
    return np.linalg.slogdet(same.sum(2).numpy())[1]

def synflow(network, size):
    leaves = {name: p.detach().abs().requires_grad_() for name, p in network.named_parameters()}
    flow = torch.func.functional_call(network, leaves, (torch.ones(1, size),)).sum()
    return sum((p * s).sum() for p, s in zip(leaves.values(), torch.autograd.grad(flow, list(leaves.values()))))
