# %% given
import torch

# %% wrong: weights first
# says: weights were moved first
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    for loss, optimizer in [(train_loss, weight_optimizer), (valid_loss, alpha_optimizer)]:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

# %% wrong: weights first, nothing forgotten between
# says: got the training loss's slope as well
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    weight_optimizer.zero_grad()
    alpha_optimizer.zero_grad()
    train_loss().backward()
    weight_optimizer.step()
    valid_loss().backward()
    alpha_optimizer.step()

# %% wrong: losses swapped
# says: alpha learns from the training loss
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    for loss, optimizer in [(train_loss, alpha_optimizer), (valid_loss, weight_optimizer)]:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

# %% wrong: one sum for all
# says: learns from both losses
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    weight_optimizer.zero_grad()
    alpha_optimizer.zero_grad()
    (train_loss() + valid_loss()).backward()
    alpha_optimizer.step()
    weight_optimizer.step()

# %% wrong: weights not cleared after validation
# says: still there
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    weight_optimizer.zero_grad()
    alpha_optimizer.zero_grad()
    valid_loss().backward()
    alpha_optimizer.step()
    train_loss().backward()
    weight_optimizer.step()

# %% wrong: everything on validation
# says: kept to judge them
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    for optimizer in [alpha_optimizer, weight_optimizer]:
        optimizer.zero_grad()
        valid_loss().backward()
        optimizer.step()

# %% wrong: one validation pass moves both
# says: validation loss only
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    alpha_optimizer.zero_grad()
    weight_optimizer.zero_grad()
    valid_loss().backward()
    alpha_optimizer.step()
    weight_optimizer.step()

# %% wrong: both optimizers step both times
# says: stepped on the validation loss too
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    alpha_optimizer.zero_grad()
    weight_optimizer.zero_grad()
    valid_loss().backward()
    alpha_optimizer.step()
    weight_optimizer.step()
    weight_optimizer.zero_grad()
    train_loss().backward()
    weight_optimizer.step()

# %% wrong: both gradients before any step
# says: before alpha moved
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    weights = weight_optimizer.param_groups[0]["params"]
    alphas = alpha_optimizer.param_groups[0]["params"]
    valid = torch.autograd.grad(valid_loss(), alphas)
    train = torch.autograd.grad(train_loss(), weights)
    for tensor, slope in zip([*alphas, *weights], [*valid, *train]):
        tensor.grad = slope
    alpha_optimizer.step()
    weight_optimizer.step()

# %% wrong: alpha never forgets
# says: the step before had left
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    valid_loss().backward()
    alpha_optimizer.step()
    weight_optimizer.zero_grad()
    train_loss().backward()
    weight_optimizer.step()

# %% wrong: forgets after the step only
# says: forget it first, not last
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    valid_loss().backward()
    alpha_optimizer.step()
    weight_optimizer.zero_grad()
    train_loss().backward()
    weight_optimizer.step()
    weight_optimizer.zero_grad()
    alpha_optimizer.zero_grad()

# %% wrong: looks at the losses first
# says: evaluated 2 times
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    losses = [valid_loss(), train_loss()]
    assert all(loss.isfinite() for loss in losses)
    for loss, optimizer in [(valid_loss, alpha_optimizer), (train_loss, weight_optimizer)]:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

# %% wrong: up the slope
# says: up the slope
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    for loss, optimizer in [(valid_loss, alpha_optimizer), (train_loss, weight_optimizer)]:
        optimizer.zero_grad()
        (-loss()).backward()
        optimizer.step()

# %% wrong: plain training, alpha forgotten
# says: alpha has not moved
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    weight_optimizer.zero_grad()
    train_loss().backward()
    weight_optimizer.step()

# %% wrong: steps by hand
# says: the optimizer's to decide
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    for loss, optimizer in ((valid_loss, alpha_optimizer), (train_loss, weight_optimizer)):
        (group,) = optimizer.param_groups
        for p, slope in zip(group["params"], torch.autograd.grad(loss(), group["params"])):
            p.data -= group["lr"] * slope

# %% wrong: both losses evaluated at the start
# says: the training loss was evaluated before alpha moved
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    train, valid = train_loss(), valid_loss()
    for loss, optimizer in [(valid, alpha_optimizer), (train, weight_optimizer)]:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

# %% right: six lines
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    alpha_optimizer.zero_grad()
    valid_loss().backward()
    alpha_optimizer.step()
    weight_optimizer.zero_grad()
    train_loss().backward()
    weight_optimizer.step()

# %% right: gradients by name
def darts_step(train, valid, for_weights, for_alpha):
    for loss, optimizer in ((valid, for_alpha), (train, for_weights)):
        tensors = [p for group in optimizer.param_groups for p in group["params"]]
        for p, slope in zip(tensors, torch.autograd.grad(loss(), tensors)):
            p.grad = slope
        optimizer.step()

# %% right: backward to chosen inputs
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    for loss, optimizer in [(valid_loss, alpha_optimizer), (train_loss, weight_optimizer)]:
        optimizer.zero_grad()
        loss().backward(inputs=optimizer.param_groups[0]["params"])
        optimizer.step()
        optimizer.zero_grad()

# %% right: closures
def darts_step(train_loss, valid_loss, weight_optimizer, alpha_optimizer):
    def closure(loss, optimizer):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    alpha_optimizer.step(lambda: closure(valid_loss, alpha_optimizer))
    weight_optimizer.step(lambda: closure(train_loss, weight_optimizer))
