"""What a dbt that is given an outcome has done."""

from test_notify import a_node

from runner.engine.job import Outcome

GOOD = Outcome(True, None, (a_node("billing_cost_daily", "success", "model"),))
