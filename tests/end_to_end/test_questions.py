"""What README, docs/questions.md and `make run` state about the sample is true, word for word."""

import re
import shlex
import subprocess

import pytest
from questions import Question, questions, readme_queries
from support import ROOT
from world import World, a_world

QUESTIONS = questions()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The sample as `make run` writes it, all of it loaded by one catch-up."""
    world = a_world(tmp_path_factory.mktemp("sample"))
    made = world("init")
    assert made.exit_code == 0 and "usage of 2024-10-01 to 2024-12-31" in made.stdout, made.output
    loaded = world("catch-up", "--tenant", "acme1281")
    assert loaded.exit_code == 0, loaded.output
    assert re.search("92 dates .* 2024-10-01 to 2024-12-31", loaded.stdout), loaded.stdout
    return world


def test_there_are_ten_questions() -> None:
    numbers = {int(one.heading.partition(".")[0]) for one in QUESTIONS}
    assert numbers == set(range(1, 11))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.heading)
def test_a_question_has_the_answer_that_is_printed(sample: World, question: Question) -> None:
    asked = sample("query", question.sql)
    assert asked.exit_code == 0, asked.output
    assert asked.stdout.rstrip("\n").splitlines() == question.answer.splitlines()


def test_the_readmes_queries_have_answers(sample: World) -> None:
    queries = readme_queries()
    assert len(queries) == 3
    for sql in queries:
        asked = sample("query", sql)
        assert asked.exit_code == 0 and "(0 rows)" not in asked.stdout, asked.output


def test_the_commands_at_the_end_of_make_run_work_as_printed(sample: World) -> None:
    printed = subprocess.run(
        ["make", "--silent", '--eval=printed: ; @echo "$$NEXT"', "printed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    commands = re.findall(r"^  (\.venv/bin/.*)$", printed, re.MULTILINE)
    assert len(commands) == 7
    for command in commands:
        program, *words = shlex.split(command)
        assert (ROOT / program).exists(), program
        if words == ["serve"]:
            continue  # it serves until it is stopped: tests/end_to_end/test_served.py
        if program.endswith("python"):
            code = words[1].replace("warehouse/", f"{sample.warehouse}/")
            asked = subprocess.run(
                [str(ROOT / program), "-c", code], capture_output=True, text=True, check=False
            )
            assert asked.returncode == 0 and "billed_cost" in asked.stdout, asked.stderr
        else:
            answer = sample(*words)
            assert answer.exit_code == 0 and "(0 rows)" not in answer.stdout, answer.output
