"""Planning in imagined worlds: search for the actions that lead a learned world to a goal.

Every planner is a `Planner`: `plan(state, warm_start)` gives a `Plan`, within a `Budget`, for an `Objective`.
"""

from wm_gym.planning.beam_search import BeamSearch
from wm_gym.planning.best_first_search import BestFirstSearch
from wm_gym.planning.best_of_n import BestOfN, PlanProposer
from wm_gym.planning.budget import Budget
from wm_gym.planning.critics import Critic, VisionLanguageCritic, judge
from wm_gym.planning.goals import Goal, ImageGoal, RewardGoal, TextGoal
from wm_gym.planning.imagined_tree import ImaginedTree, Moment
from wm_gym.planning.mcts import MonteCarloTreeSearch
from wm_gym.planning.plan_distributions import CategoricalPlans, GaussianPlans, PlanDistribution
from wm_gym.planning.planner import Dynamics, Objective, Plan, Planner
from wm_gym.planning.receding_horizon import Pursuit, RecedingHorizon
from wm_gym.planning.refutation import Refutation
from wm_gym.planning.shooting import CrossEntropyMethod, RandomShooting
from wm_gym.planning.tree_picture import draw_tree, write_tree

__all__ = [
    "BeamSearch",
    "BestFirstSearch",
    "BestOfN",
    "Budget",
    "CategoricalPlans",
    "Critic",
    "CrossEntropyMethod",
    "Dynamics",
    "GaussianPlans",
    "Goal",
    "ImageGoal",
    "ImaginedTree",
    "Moment",
    "MonteCarloTreeSearch",
    "Objective",
    "Plan",
    "PlanDistribution",
    "PlanProposer",
    "Planner",
    "Pursuit",
    "RandomShooting",
    "RecedingHorizon",
    "Refutation",
    "RewardGoal",
    "TextGoal",
    "VisionLanguageCritic",
    "draw_tree",
    "judge",
    "write_tree",
]
