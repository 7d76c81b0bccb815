"""The hidden state of a customer: a level of health and open friction, a Markov chain by day."""

import numpy as np

from simulation.kinds import Floats, Ints

LEVELS = 5  # 0 gone quiet, 1 fading, 2 steady, 3 healthy, 4 thriving
STATES = 2 * LEVELS  # state = 2 x level + friction

RISE = np.array([0.009, 0.0105, 0.0105, 0.0085, 0.0])  # to the next level, per day
FALL = np.array([0.0, 0.0065, 0.0085, 0.0095, 0.0115])
TROUBLE = np.array([0.0050, 0.0048, 0.0045, 0.0042, 0.0040])  # friction begins, per day
RELIEF = 0.07  # friction ends, per day
FRICTION_RISE, FRICTION_FALL = 0.5, 2.5  # what friction does to the moves between levels

NEWCOMER = np.array([0.04, 0.14, 0.34, 0.32, 0.16])  # levels at sign-up
COMEBACK = np.array([0.0, 0.10, 0.40, 0.35, 0.15])  # levels at a return


def level(state: Ints) -> Ints:
    """Health of a state, 0 to 4."""
    return state // 2


def friction(state: Ints) -> Ints:
    """1 where a serious case is open."""
    return state % 2


def transitions() -> Floats:
    """Probabilities of a day's move, shape (STATES, STATES); rows sum to one."""
    matrix = np.zeros((STATES, STATES))
    for now in range(LEVELS):
        for open_ in (0, 1):
            up = RISE[now] * (FRICTION_RISE if open_ else 1.0)
            down = FALL[now] * (FRICTION_FALL if open_ else 1.0)
            turn = RELIEF if open_ else TROUBLE[now]
            moves = {now + 1: up, now - 1: down, now: 1.0 - up - down}
            for then, chance in moves.items():
                if 0 <= then < LEVELS:
                    matrix[2 * now + open_, 2 * then + open_] += chance * (1.0 - turn)
                    matrix[2 * now + open_, 2 * then + 1 - open_] += chance * turn
    return matrix


def stationary(matrix: Floats) -> Floats:
    """The distribution over states that a day's move leaves as it is, shape (STATES,)."""
    shares = np.full(len(matrix), 1.0 / len(matrix))
    for _ in range(5_000):
        shares = shares @ matrix
    return shares


def cumulative(matrix: Floats) -> Floats:
    """Row-wise cumulative probabilities whose last column is exactly one."""
    total: Floats = np.cumsum(matrix, axis=-1)
    total[..., -1] = 1.0
    return total


def draw(cumulated: Floats, uniform: Floats) -> Ints:
    """Positions drawn from cumulative probabilities of shape (n, k) or (k,)."""
    drawn: Ints = (uniform[:, None] >= cumulated).sum(axis=1)
    return drawn
