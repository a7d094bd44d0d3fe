"""Balancing methods: compared with an independent library, and with what each one promises."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.train.balance import METHODS, make

TASKS = (2, 3, 8)
KINDS = ("random", "aligned", "conflicting", "unequal", "zero")


def gradients(kind, tasks, width=24):
    """[T, P] gradients of a kind, float64."""
    rng = np.random.default_rng([tasks, KINDS.index(kind)])
    free = rng.normal(size=(tasks, width))
    if kind == "aligned":
        return 0.3 * free + rng.normal(size=width)
    if kind == "conflicting":
        free[1:] = 0.6 * free[1:] - free[0] * np.linspace(0.2, 0.8, tasks - 1)[:, None]
    if kind == "unequal":
        free *= np.logspace(-1, 1, tasks)[:, None]
    if kind == "zero":
        free[-1] = 0
    return free


@functools.cache
def compiled(name, **options):
    """The method, its `weigh` compiled once per number of tasks."""
    balancer = make(name, **options)
    return balancer._replace(weigh=jax.jit(balancer.weigh))


def weigh(name, matrix, losses=None, state=None, seed=0, present=None, **options):
    """(weights, state) of one call under jit."""
    tasks = len(matrix)
    balancer = compiled(name, **options)
    losses = jnp.ones(tasks) if losses is None else jnp.asarray(losses, jnp.float32)
    gram = jnp.asarray(matrix @ matrix.T, jnp.float32)
    present = jnp.ones(tasks, bool) if present is None else jnp.asarray(present)
    state = balancer.init(tasks) if state is None else state
    weights, state = balancer.weigh(losses, gram, state, jax.random.key(seed), present)
    return np.asarray(weights, np.float64), state


def direction(name, matrix, **options):
    return weigh(name, matrix, **options)[0] @ matrix


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tasks", TASKS)
def test_weights_are_finite_whatever_the_gradients(name, kind, tasks):
    matrix = gradients(kind, tasks)
    weights, state = weigh(name, matrix, losses=np.linspace(0.1, 3, tasks))
    assert weights.shape == (tasks,)
    assert np.isfinite(weights).all()
    again, _ = weigh(name, matrix, losses=np.linspace(0.2, 1, tasks), state=state)
    assert np.isfinite(again).all()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", ["random", "conflicting"])
def test_an_absent_task_gets_weight_0_and_does_not_affect_the_others(name, kind):
    matrix = gradients(kind, 3)
    losses = np.array([0.5, 2.0, 1.5])
    present = [True, False, True]
    weights, _ = weigh(name, matrix, losses=losses, present=present)
    assert weights[1] == 0
    if name in ("random",):  # draws for as many tasks as there are
        assert weights.sum() == pytest.approx(2)
        return
    without, _ = weigh(name, matrix[[0, 2]], losses=losses[[0, 2]])
    np.testing.assert_allclose(weights[[0, 2]], without, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_needs_no_gram_runs_without_one(name):
    balancer = make(name)
    if not balancer.needs_gram:
        weights, _ = balancer.weigh(
            jnp.ones(2), None, balancer.init(2), jax.random.key(0), jnp.ones(2, bool)
        )
        assert weights.shape == (2,)


# What the methods by loss promise


def test_fixed_weights_are_those_given():
    assert weigh("fixed", gradients("random", 2))[0].tolist() == [1, 1]
    assert weigh("fixed", gradients("random", 2), weights=(1.0, 3.0))[0].tolist() == [1, 3]


def settle(name, losses, steps=3000, **options):
    balancer = make(name, **options)
    values, present = jnp.asarray(losses), jnp.ones(len(losses), bool)

    def step(state, key):
        weights, state = balancer.weigh(values, None, state, key, present)
        return state, weights

    keys = jax.random.split(jax.random.key(0), steps)
    return np.asarray(jax.lax.scan(step, balancer.init(len(losses)), keys)[1])


def test_uncertainty_settles_at_one_over_twice_the_loss_and_imtl_l_at_one_over_it():
    losses = np.array([0.25, 2.0])
    np.testing.assert_allclose(settle("uncertainty", losses)[-1], 0.5 / losses, rtol=1e-3)
    np.testing.assert_allclose(settle("imtl_l", losses)[-1], 1 / losses, rtol=1e-3)


def test_dwa_helps_the_task_whose_loss_falls_more_slowly():
    balancer, key = make("dwa", interval=2, temperature=1.0), jax.random.key(0)
    state, present = balancer.init(2), jnp.ones(2, bool)
    for losses in ([2.0, 2.0], [2.0, 2.0], [1.0, 2.0]):
        weights, state = balancer.weigh(jnp.array(losses), None, state, key, present)
        assert weights.tolist() == [1, 1]
    weights, _ = balancer.weigh(jnp.array(losses), None, state, key, present)
    ratios = np.exp([0.5, 1.0])
    np.testing.assert_allclose(weights, 2 * ratios / ratios.sum(), rtol=1e-6)


def test_geometric_weights_are_the_gradient_of_the_geometric_mean():
    losses = jnp.array([0.5, 2.0, 1.5])
    wanted = jax.grad(lambda values: jnp.exp(jnp.log(values).mean()))(losses)
    np.testing.assert_allclose(
        weigh("geometric", gradients("random", 3), losses)[0], wanted, rtol=1e-6
    )


def test_stch_weights_are_the_gradient_of_the_smooth_maximum():
    losses = jnp.array([0.5, 2.0, 1.5])
    smooth = jax.grad(lambda v: 3 * 0.3 * jax.nn.logsumexp(v / 0.3))(losses)
    weights, _ = weigh("stch", gradients("random", 3), losses, sharpness=0.3)
    np.testing.assert_allclose(weights, smooth, rtol=1e-5)


def test_random_weights_differ_from_step_to_step_and_sum_to_the_number_of_tasks():
    drawn = settle("random", [1.0, 1.0, 1.0], steps=500)
    np.testing.assert_allclose(drawn.sum(axis=1), 3, rtol=1e-5)
    assert len(np.unique(drawn[:, 0])) == 500
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=0.1)


def test_famo_moves_weight_to_the_task_whose_loss_does_not_fall():
    balancer, key = make("famo"), jax.random.key(0)
    state, present = balancer.init(2), jnp.ones(2, bool)
    for step in range(50):
        losses = jnp.array([1.0, 0.97**step])
        weights, state = balancer.weigh(losses, None, state, key, present)
    share = np.asarray(weights) * np.asarray(losses)
    assert share[0] > 1.01 * share[1]
    assert float(weights.sum()) == pytest.approx(1, rel=1e-5)


# What the methods by gradient promise


@pytest.mark.parametrize("name", ["mgda", "nash_mtl", "fairgrad", "upgrad", "imtl_g", "config"])
@pytest.mark.parametrize("kind", ["random", "aligned", "conflicting", "unequal"])
@pytest.mark.parametrize("tasks", TASKS)
def test_the_direction_harms_no_task(name, kind, tasks):
    matrix = gradients(kind, tasks)
    gains = matrix @ direction(name, matrix)
    assert gains.min() > -1e-4 * np.abs(gains).max()


@pytest.mark.parametrize("tasks", TASKS)
def test_mgda_is_the_shortest_of_all_mixes(tasks):
    matrix = gradients("random", tasks)
    weights, _ = weigh("mgda", matrix)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    shortest = weights @ matrix
    # Of a convex set, the nearest point to 0 sees every other point beyond it.
    assert (matrix @ shortest >= shortest @ shortest * (1 - 1e-3)).all()


def test_mgda_stops_where_no_loss_can_fall_without_another_rising():
    opposed = np.array([[1.0, 0.0], [-2.0, 0.0]])
    np.testing.assert_allclose(direction("mgda", opposed), 0, atol=1e-6)
    np.testing.assert_allclose(direction("mgda", gradients("zero", 3)), 0, atol=1e-5)


def test_pcgrad_does_not_change_gradients_without_conflict():
    for tasks in TASKS:
        np.testing.assert_allclose(weigh("pcgrad", gradients("aligned", tasks))[0], 1, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_upgrad_of_two_tasks_is_half_of_pcgrad(kind):
    matrix = gradients(kind, 2)
    np.testing.assert_allclose(
        2 * direction("upgrad", matrix), direction("pcgrad", matrix), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("tasks", TASKS)
def test_nash_and_fairgrad_solve_their_equations(tasks):
    for kind in ("random", "aligned", "conflicting", "unequal"):
        matrix = gradients(kind, tasks)
        gram = matrix @ matrix.T
        for name, power in (("nash_mtl", 1.0), ("fairgrad", 0.5)):
            weights, _ = weigh(name, matrix)
            assert weights.min() > 0
            np.testing.assert_allclose(gram @ weights * weights**power, 1, rtol=5e-3)


@pytest.mark.parametrize("name", ["nash_mtl", "imtl_g"])
def test_the_scale_of_a_task_cancels_out(name):
    matrix = gradients("random", 3)
    scaled = matrix * np.array([[0.1], [1.0], [5.0]])
    ours, theirs = direction(name, matrix), direction(name, scaled)
    cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
    assert cosine == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("tasks", TASKS)
def test_imtl_g_and_config_treat_all_gradients_alike(tasks):
    matrix = gradients("random", tasks)
    units = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    for name in ("imtl_g", "config"):
        along = units @ direction(name, matrix)
        np.testing.assert_allclose(along, along.mean(), rtol=2e-3)


def test_cagrad_of_radius_zero_is_the_mean():
    matrix = gradients("conflicting", 3)
    np.testing.assert_allclose(direction("cagrad", matrix, c=0.0), matrix.mean(axis=0), atol=1e-5)


def test_gradnorm_moves_weight_to_the_shorter_gradient():
    matrix = np.array([[10.0, 0.0], [0.0, 0.1]])
    _, state = weigh("gradnorm", matrix)
    weights, _ = weigh("gradnorm", matrix, state=state)
    assert weights[1] > 1 > weights[0]
    assert weights.sum() == pytest.approx(2, rel=1e-5)


# The same numbers as torchjd


def peers():
    torch = pytest.importorskip("torch", reason="needs: pip install -r requirements-peers.txt")
    return torch, pytest.importorskip("torchjd.aggregation", reason="needs requirements-peers.txt")


def peer_direction(aggregator, matrix):
    torch, _ = peers()
    return aggregator(torch.tensor(matrix)).numpy()


def assert_same_direction(ours, theirs, tolerance):
    assert np.linalg.norm(ours - theirs) <= tolerance * max(np.linalg.norm(theirs), 1e-3)


@pytest.mark.peers
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tasks", TASKS)
@pytest.mark.parametrize("name", ["imtl_g", "aligned_mtl", "fairgrad", "config", "upgrad", "mgda"])
def test_deterministic_methods_give_the_direction_of_torchjd(name, tasks, kind):
    _, jd = peers()
    from torchjd.linalg import QuadprogProjector

    peer = {
        "imtl_g": jd.IMTLG,
        "aligned_mtl": jd.AlignedMTL,
        "fairgrad": lambda: jd.FairGrad(alpha=2.0),
        "config": jd.ConFIG,
        # Its defaults move the Gram matrix by a ten-thousandth.
        "upgrad": lambda: jd.UPGrad(projector=QuadprogProjector(norm_eps=1e-12, reg_eps=1e-9)),
        "mgda": lambda: jd.MGDA(epsilon=1e-9, max_iters=20_000),
    }[name]()
    matrix = gradients(kind, tasks)
    # Frank-Wolfe, which torchjd runs for MGDA, nears the solution slowly.
    tolerance = 1e-2 if name == "mgda" else 3e-3
    assert_same_direction(direction(name, matrix), peer_direction(peer, matrix), tolerance)


@pytest.mark.peers
@pytest.mark.parametrize("kind", ["random", "aligned", "conflicting", "unequal"])
@pytest.mark.parametrize("tasks", TASKS)
@pytest.mark.parametrize("c", [0.2, 0.8])
def test_cagrad_gives_the_direction_of_torchjd(c, tasks, kind):
    _, jd = peers()
    pytest.importorskip("cvxpy", reason="needs: pip install -r requirements-peers.txt")
    matrix = gradients(kind, tasks)
    peer = peer_direction(jd.CAGrad(c=c, norm_eps=1e-9), matrix)
    assert_same_direction(direction("cagrad", matrix, c=c), peer, 3e-3)


@pytest.mark.peers
def test_nash_mtl_gives_the_direction_of_torchjd_wherever_that_solves_its_equation():
    _, jd = peers()
    pytest.importorskip("cvxpy", reason="needs: pip install -r requirements-peers.txt")
    compared = 0
    for tasks in TASKS:
        for kind in ("random", "aligned", "conflicting", "unequal"):
            matrix = gradients(kind, tasks)
            peer = peer_direction(jd.NashMTL(n_tasks=tasks, max_norm=0, optim_niter=100), matrix)
            shares = np.linalg.lstsq(matrix.T, peer, rcond=None)[0]
            if np.abs(matrix @ peer * shares - 1).max() < 1e-3:
                assert_same_direction(direction("nash_mtl", matrix), peer, 3e-3)
                compared += 1
    assert compared >= 4


def in_our_order(torch, monkeypatch, tasks, seed=0, others_only=False):
    """Makes torch.randperm give the orders in which our methods visit the tasks, one per task."""
    key = jax.random.key(seed)
    orders = [
        [int(i) for i in jax.random.permutation(jax.random.fold_in(key, task), tasks)]
        for task in range(tasks)
    ]
    if others_only:
        orders = [
            [other - (other > task) for other in order if other != task]
            for task, order in enumerate(orders)
        ]
    given = iter(orders)
    monkeypatch.setattr(torch, "randperm", lambda size, **_: torch.tensor(next(given)))


@pytest.mark.peers
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tasks", TASKS)
def test_pcgrad_gives_the_direction_of_torchjd_in_the_same_order(tasks, kind, monkeypatch):
    torch, jd = peers()
    matrix = gradients(kind, tasks)
    in_our_order(torch, monkeypatch, tasks, seed=5)
    peer = peer_direction(jd.PCGrad(), matrix)
    assert_same_direction(direction("pcgrad", matrix, seed=5), peer, 1e-4)


@pytest.mark.peers
@pytest.mark.parametrize("kind", ["random", "aligned", "conflicting", "unequal"])
@pytest.mark.parametrize("tasks", TASKS)
def test_gradvac_gives_the_directions_of_torchjd_over_several_steps(tasks, kind, monkeypatch):
    torch, jd = peers()
    peer = jd.GradVac(beta=0.5)
    state = None
    for seed in range(4):
        matrix = gradients(kind, tasks) * (1 + 0.3 * seed)
        matrix[0] = np.roll(matrix[0], seed)
        in_our_order(torch, monkeypatch, tasks, seed, others_only=True)
        theirs = peer_direction(peer, matrix)
        weights, state = weigh("gradvac", matrix, state=state, seed=seed)
        assert_same_direction(weights @ matrix, theirs, 1e-3)
