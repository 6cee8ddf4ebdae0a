"""What dbt-bouncer has no check for, read by it from the folder of this file's folder."""

from dbt_bouncer.check_framework.decorator import check, fail


@check
def check_model_has_group(model):
    """A model belongs to a group, so that its owner answers for it.

    Receives:
        model (ModelNode): The model to check.

    """
    if not model.group:
        fail(f"{model.unique_id} belongs to no group: name one in dbt_project.yml or in its YAML.")
