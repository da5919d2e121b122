"""A case about roles and secrets counts only where the secret was used and the search has proved itself."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from proof.faults import canaries, role_inventory, secret_roles, witness
from proof.faults.cases import Case, NotInjected, NotSurvived
from proof.faults.guarded_server import GuardedServer
from proof.faults.secret_roles import Evidence, Seen, Turn, planted

EVERY = role_inventory.EVERY
SECRETS = canaries.make(
    [one.name for one in EVERY if not one.password],
    [one.name for one in EVERY if one.password],
    seed=7,
)
TURNS = secret_roles.turns(
    Path("refused.json"), Path("mistaken.json"), Path("foreseen.json"), quick=False
)
SITE = next(one for one in TURNS if one.acts)
GIVEN = SITE.given[0]
CANARY = SECRETS[GIVEN.name]


def seen(turn: Turn, extra: str = "") -> Seen:
    """A run that used everything and shows what was planted, and something more in each place."""
    return Seen(
        {place: f"before {planted(place, turn.level)} after {extra}" for place in turn.places},
        frozenset(one.value for one in SECRETS.values()),
    )


def case(turn: Turn, place: str) -> Case[Evidence]:
    """The one about that place."""
    (found,) = (
        one
        for one in secret_roles.cases([turn], {GIVEN.name: CANARY})
        if one.name == f"{GIVEN.name}, {turn.name}: not in {place}"
    )
    return found


ONE = replace(SITE, given=(GIVEN,))


def test_every_run_has_cases_of_its_own_and_every_secret_is_used_in_one() -> None:
    names = [one.name for one in secret_roles.cases(TURNS, SECRETS)]
    assert len(names) == len(set(names)) > 500
    assert {one for turn in TURNS if turn.acts for one in turn.given} == set(EVERY)
    failing = [one.level for one in TURNS if one.rescued]
    assert failing == sorted(secret_roles.LEVELS)
    assert any(one.runner for one in TURNS)
    assert any("--check" in one.arguments and one.level == 3 for one in TURNS)
    (quick,) = secret_roles.turns(Path(), Path(), Path(), quick=True)
    assert {one.wrong for one in quick.given} == {True, False}


@pytest.mark.parametrize("place", ONE.places)
def test_a_secret_that_shows_is_not_survived(place: str) -> None:
    kept = case(ONE, place)
    assert kept.run(Evidence({ONE.name: seen(ONE)})) == "as asked, and shown nowhere"
    for form in CANARY.forms:
        with pytest.raises(NotSurvived, match="<SECRET>"):
            kept.run(Evidence({ONE.name: seen(ONE, form)}))


@pytest.mark.parametrize("place", ONE.places)
def test_a_search_that_does_not_find_what_was_planted_does_not_count(place: str) -> None:
    blind = replace(seen(ONE), texts={**seen(ONE).texts, place: CANARY.value})
    with pytest.raises(NotInjected, match="was not found"):
        case(ONE, place).run(Evidence({ONE.name: blind}))


def test_a_secret_that_was_not_used_does_not_count() -> None:
    kept = case(ONE, secret_roles.LOG)
    with pytest.raises(NotInjected, match="never shown"):
        kept.run(Evidence({ONE.name: replace(seen(ONE), used=frozenset())}))
    with pytest.raises(NotInjected, match="failed"):
        kept.run(Evidence({ONE.name: replace(seen(ONE), unlike="failed")}))
    looked = replace(ONE, acts=False)
    kept = case(looked, secret_roles.LOG)
    with pytest.raises(NotInjected, match="none of its tasks"):
        kept.run(Evidence({ONE.name: seen(looked)}))
    kept.run(Evidence({ONE.name: replace(seen(looked), tasks=frozenset({role_inventory.LOOK}))}))


def test_a_file_on_the_host_may_hold_what_the_inventory_writes_into_it_only() -> None:
    one = replace(ONE, given=tuple(one for one in SITE.given if one.name == "environment-variable"))
    texts = {secret_roles.FILES: planted(secret_roles.FILES, 0)}
    files = next(
        one for one in secret_roles.cases([one], SECRETS) if one.name.endswith(secret_roles.FILES)
    )

    def left(where: str) -> Evidence:
        found = [("environment-variable", where, 0o644)]
        return Evidence({}, replace(seen(ONE), texts=texts), found)

    files.run(left("/opt/miniconda3/envs/token/conda-meta/state"))
    with pytest.raises(NotSurvived, match=r"/var/log/x \(mode 0644\)"):
        files.run(left("/var/log/x"))


def test_a_run_is_like_what_it_was_meant_to_be() -> None:
    recap = {"event": "recap", "hosts": {"a": {"ok": 3, "rescued": 2}}}
    result = {"event": "result", "outcome": "failed", "message": "no such index"}
    log = "syslog llmfleet.conda.conda_env: Invoked with"
    assert secret_roles._unlike(replace(ONE, rescued=2), [recap], log) == ""
    assert "no such index" in secret_roles._unlike(ONE, [result, recap], log)
    assert secret_roles._unlike(ONE, [], log) != ""
    assert "look_ahead" in secret_roles._unlike(replace(ONE, logs="look_ahead"), [recap], log)


def test_the_texts_are_planted_before_the_playbook_runs(tmp_path: Path) -> None:
    book = secret_roles.write_book(tmp_path / "book.json", "llmfleet.conda.site")
    shows, runs = json.loads(book.read_text())
    assert runs["ansible.builtin.import_playbook"] == "llmfleet.conda.site"
    for place in (secret_roles.SYSLOG, secret_roles.FACTS, secret_roles.ARGV):
        assert planted(place, 0) in json.dumps(shows)
    levels = {level: planted(secret_roles.PRINTED, level) for level in secret_roles.LEVELS}
    debugs = [one["ansible.builtin.debug"] for one in shows["tasks"][: len(levels)]]
    assert {one["verbosity"]: one["msg"] for one in debugs} == levels


def test_lines_of_one_kind_keep_the_text_that_belongs_to_them() -> None:
    notes = "ready\nargv sh -c a\nb\nsyslog one\nsyslog two\nargv c\n"
    assert witness.noted(notes, "argv") == "argv sh -c a\nb\nargv c\n\n"
    assert witness.noted(notes, "syslog") == "syslog one\nsyslog two\n"
    assert witness.noted("syslog one\n", "syslog") == "syslog one\n\n"


def test_a_token_is_wanted_wherever_it_stands_in_the_path(tmp_path: Path) -> None:
    (tmp_path / "channels" / "lab").mkdir(parents=True)
    (tmp_path / "channels" / "lab" / "file").write_text("content")
    with GuardedServer(tmp_path, "127.0.0.1", ["right"]) as server:

        def ask(path: str) -> bytes:
            with urllib.request.urlopen(f"http://{server.address}/{path}", timeout=30) as answer:
                return bytes(answer.read())

        assert ask("t/right/channels/lab/file") == b"content"
        assert ask("channels/t/right/lab/file") == b"content"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask("channels/t/wrong/lab/file")
        assert server.used == {"right", "wrong"}
