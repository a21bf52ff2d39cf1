# %% given
import torch
import torch.nn.functional as F

# %% wrong: teacher not detached
# says: learns to be easy to imitate
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    teacher = supernet(x)
    total = F.cross_entropy(teacher, y)
    p = teacher.log_softmax(-1)
    for arch in others:
        supernet.activate(arch)
        logits = supernet(x)
        q = logits.log_softmax(-1)
        total = total + (1 - distil) * F.cross_entropy(logits, y) + distil * (p.exp() * (p - q)).sum(-1).mean()
    total.backward()
    optimizer.step()

# %% wrong: zero_grad between passes
# says: only the last network's gradient
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    teacher = None
    for arch in [largest, *others]:
        optimizer.zero_grad()
        supernet.activate(arch)
        logits = supernet(x)
        loss = F.cross_entropy(logits, y)
        if teacher is None:
            teacher = logits.detach().log_softmax(-1)
        else:
            kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
            loss = (1 - distil) * loss + distil * kl
        loss.backward()
    optimizer.step()

# %% wrong: mean in place of sum
# says: the mean of the passes
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    losses = [F.cross_entropy(logits, y)]
    teacher = logits.detach().log_softmax(-1)
    for arch in others:
        supernet.activate(arch)
        logits = supernet(x)
        kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
        losses.append((1 - distil) * F.cross_entropy(logits, y) + distil * kl)
    torch.stack(losses).mean().backward()
    optimizer.step()

# %% wrong: KL turned
# says: direction turned
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().log_softmax(-1)
    for arch in others:
        supernet.activate(arch)
        logits = supernet(x)
        student = logits.log_softmax(-1)
        kl = (student.exp() * (student - teacher)).sum(-1).mean()
        ((1 - distil) * F.cross_entropy(logits, y) + distil * kl).backward()
    optimizer.step()

# %% wrong: KL averaged over labels too
# says: averaged over the labels too
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().log_softmax(-1)
    for arch in others:
        supernet.activate(arch)
        logits = supernet(x)
        kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).mean()
        ((1 - distil) * F.cross_entropy(logits, y) + distil * kl).backward()
    optimizer.step()

# %% wrong: the largest is taught too
# says: the largest is taught too
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    teacher = None
    for arch in [largest, *others]:
        supernet.activate(arch)
        logits = supernet(x)
        if teacher is None:
            teacher = logits.detach().log_softmax(-1)
        kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
        ((1 - distil) * F.cross_entropy(logits, y) + distil * kl).backward()
    optimizer.step()

# %% wrong: no labels for the students
# says: hear the teacher only
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().log_softmax(-1)
    for arch in others:
        supernet.activate(arch)
        student = supernet(x).log_softmax(-1)
        (distil * (teacher.exp() * (teacher - student)).sum(-1).mean()).backward()
    optimizer.step()

# %% wrong: no teacher at all
# says: nobody is taught
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    for arch in [largest, *others]:
        supernet.activate(arch)
        F.cross_entropy(supernet(x), y).backward()
    optimizer.step()

# %% wrong: a step after each pass
# says: all passes first
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    teacher = None
    for arch in [largest, *others]:
        optimizer.zero_grad()
        supernet.activate(arch)
        logits = supernet(x)
        loss = F.cross_entropy(logits, y)
        if teacher is None:
            teacher = logits.detach().log_softmax(-1)
        else:
            kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
            loss = (1 - distil) * loss + distil * kl
        loss.backward()
        optimizer.step()

# %% wrong: old gradients stay
# says: no zero_grad
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    teacher = None
    for arch in [largest, *others]:
        supernet.activate(arch)
        logits = supernet(x)
        loss = F.cross_entropy(logits, y)
        if teacher is None:
            teacher = logits.detach().log_softmax(-1)
        else:
            kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
            loss = (1 - distil) * loss + distil * kl
        loss.backward()
    optimizer.step()

# %% wrong: the smallest is left out
# says: left out: [2]
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().log_softmax(-1)
    for arch in others[1:]:
        supernet.activate(arch)
        logits = supernet(x)
        kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
        ((1 - distil) * F.cross_entropy(logits, y) + distil * kl).backward()
    optimizer.step()

# %% wrong: never activates the students
# says: activate(arch) must come before
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().log_softmax(-1)
    for arch in others:
        logits = supernet(x)
        kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
        ((1 - distil) * F.cross_entropy(logits, y) + distil * kl).backward()
    optimizer.step()

# %% wrong: takes the largest to be active
# says: what was active stays active
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().log_softmax(-1)
    for arch in others:
        supernet.activate(arch)
        logits = supernet(x)
        kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
        ((1 - distil) * F.cross_entropy(logits, y) + distil * kl).backward()
    optimizer.step()

# %% wrong: asks the teacher for each student
# says: asking again costs
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    F.cross_entropy(supernet(x), y).backward()
    for arch in others:
        supernet.activate(largest)
        with torch.no_grad():
            teacher = supernet(x).log_softmax(-1)
        supernet.activate(arch)
        logits = supernet(x)
        kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
        ((1 - distil) * F.cross_entropy(logits, y) + distil * kl).backward()
    optimizer.step()

# %% wrong: no step
# says: nothing is learnt
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().log_softmax(-1)
    for arch in others:
        supernet.activate(arch)
        logits = supernet(x)
        kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
        ((1 - distil) * F.cross_entropy(logits, y) + distil * kl).backward()

# %% wrong: distil and its rest swapped
# says: changed places
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().log_softmax(-1)
    for arch in others:
        supernet.activate(arch)
        logits = supernet(x)
        kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
        (distil * F.cross_entropy(logits, y) + (1 - distil) * kl).backward()
    optimizer.step()

# %% wrong: mean over the students
# says: the mean over the students
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().log_softmax(-1)
    for arch in others:
        supernet.activate(arch)
        logits = supernet(x)
        kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
        (((1 - distil) * F.cross_entropy(logits, y) + distil * kl) / len(others)).backward()
    optimizer.step()

# %% wrong: raw logits in kl_div
# says: it takes their log_softmax
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().softmax(-1)
    for arch in others:
        supernet.activate(arch)
        logits = supernet(x)
        kl = F.kl_div(logits, teacher, reduction="batchmean")
        ((1 - distil) * F.cross_entropy(logits, y) + distil * kl).backward()
    optimizer.step()

# %% wrong: softmax along the examples
# says: runs along the examples
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().softmax(0)
    for arch in others:
        supernet.activate(arch)
        logits = supernet(x)
        kl = F.kl_div(logits.log_softmax(0), teacher, reduction="batchmean")
        ((1 - distil) * F.cross_entropy(logits, y) + distil * kl).backward()
    optimizer.step()

# %% wrong: the teacher alone, with full weight
# says: from the teacher alone
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    teacher = logits.detach().log_softmax(-1)
    for arch in others:
        supernet.activate(arch)
        logits = supernet(x)
        kl = (teacher.exp() * (teacher - logits.log_softmax(-1))).sum(-1).mean()
        kl.backward()
    optimizer.step()

# %% right: one sum, one backward
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    outputs = []
    for arch in (largest, *others):
        supernet.activate(arch)
        outputs.append(supernet(x))
    target = outputs[0].detach().softmax(-1)
    loss = F.cross_entropy(outputs[0], y)
    for output in outputs[1:]:
        kl = F.kl_div(output.log_softmax(-1), target, reduction="batchmean")
        loss = loss + (1 - distil) * F.cross_entropy(output, y) + distil * kl
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %% right: torch.distributions
def sandwich_step(net, big, rest, inputs, labels, opt, d):
    from torch.distributions import Categorical, kl_divergence
    opt.zero_grad()
    net.activate(big)
    out = net(inputs)
    F.nll_loss(F.log_softmax(out, 1), labels).backward()
    teacher = Categorical(logits=out.detach())
    for a in rest:
        net.activate(a)
        out = net(inputs)
        kl = kl_divergence(teacher, Categorical(logits=out)).mean()
        (F.cross_entropy(out, labels) * (1 - d) + kl * d).backward()
    opt.step()

# %% right: soft cross-entropy, which differs from KL by a constant
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    optimizer.zero_grad()
    supernet.activate(largest)
    logits = supernet(x)
    F.cross_entropy(logits, y).backward()
    soft = logits.softmax(-1).detach()
    for arch in reversed(others):
        supernet.activate(arch)
        logits = supernet(x)
        hard = F.cross_entropy(logits, y)
        (hard + distil * (F.cross_entropy(logits, soft) - hard)).backward()
    optimizer.step()

# %% right: one closure
def sandwich_step(supernet, largest, others, x, y, optimizer, distil):
    def closure():
        optimizer.zero_grad()
        supernet.activate(largest)
        logits = supernet(x)
        loss, teacher = F.cross_entropy(logits, y), logits.detach().softmax(-1)
        for arch in others:
            supernet.activate(arch)
            student = supernet(x)
            told = F.kl_div(student.log_softmax(-1), teacher, reduction="batchmean")
            loss = loss + (1 - distil) * F.cross_entropy(student, y) + distil * told
        loss.backward()
        return loss

    optimizer.step(closure)
