"""A tenant's service account over HTTP: the admin key sets it, a tenant's key reads its own."""

import pytest
from serving import ADMIN_KEY, Scene

PATH = "/api/v1/tenants/{}/credentials"
SA = "acme-billing@acme-iam.iam.gserviceaccount.com"


def send(scene: Scene, method: str, key: str, tenant: str = "acme", body: object = None):
    headers = {"X-API-Key": key}
    return scene.client.request(method, PATH.format(tenant), headers=headers, json=body)


def test_the_admin_sets_reads_and_clears_it(scene: Scene) -> None:
    assert send(scene, "GET", ADMIN_KEY).json() == {
        "tenant_id": "acme",
        "impersonate": None,
        "set_at": None,
    }
    result = send(scene, "PUT", ADMIN_KEY, body={"impersonate": SA})
    assert result.status_code == 200, result.text
    assert result.json()["impersonate"] == SA and result.json()["set_at"]
    assert send(scene, "GET", scene.key).json() == result.json(), "a tenant's key reads its own"
    assert scene.control.value("select created_by from acme.x_meta_cloud_credentials") == "admin"
    for _ in range(2):
        cleared = send(scene, "DELETE", ADMIN_KEY)
        assert cleared.status_code == 200 and cleared.json()["impersonate"] is None


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_tenants_key_does_not_choose_its_account(scene: Scene, method: str) -> None:
    assert send(scene, "PUT", ADMIN_KEY, body={"impersonate": SA}).status_code == 200
    other = {"impersonate": "globex-billing@acme-iam.iam.gserviceaccount.com"}
    assert send(scene, method, scene.key, body=other).status_code == 403
    assert send(scene, "GET", scene.key).json()["impersonate"] == SA


def test_a_tenants_key_does_not_read_anothers(scene: Scene) -> None:
    answer = send(scene, "GET", scene.other)
    assert answer.status_code == 403 and answer.json()["error"] == "another_tenant"


@pytest.mark.parametrize(
    "body",
    [
        {"impersonate": "x"},
        {"impersonate": None},
        {"impersonate": SA + "\n"},
        {"impersonate": SA, "key": "-----BEGIN PRIVATE KEY-----"},
        {},
    ],
)
def test_what_is_no_reference_is_refused(scene: Scene, body: object) -> None:
    assert send(scene, "PUT", ADMIN_KEY, body=body).status_code == 422
    assert scene.control.sql("select * from acme.x_meta_cloud_credentials") == []


def test_another_tenants_account_and_an_unknown_tenant_are_refused(scene: Scene) -> None:
    assert send(scene, "PUT", ADMIN_KEY, "globex", {"impersonate": SA}).status_code == 200
    taken = send(scene, "PUT", ADMIN_KEY, body={"impersonate": SA})
    assert taken.status_code == 422 and "another tenant" in taken.json()["message"]
    for method in ("GET", "PUT", "DELETE"):
        answer = send(scene, method, ADMIN_KEY, "unknown", {"impersonate": SA})
        assert (answer.status_code, answer.json()["error"]) == (404, "unknown_tenant")
