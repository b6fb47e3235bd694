"""Everything people read is said in every language, and what Django reads is what was translated."""

from __future__ import annotations

import ast
import gettext
import io
import re
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from django.apps import apps
from django.db.models import Model
from django.utils import translation

from config.env import BASE_DIR
from config.launch import messages
from config.launch.messages import DOMAINS, LANGUAGES, Domain
from ledger.errors import LedgerError

EVERY = [pytest.param(domain, language, id=f"{domain.name}-{language}") for domain in DOMAINS for language in LANGUAGES]
PLACE = re.compile(r"\{\w*\}|%\(\w+\)s|%s")
CHINESE = re.compile("[\u4e00-\u9fff]")
OURS = ("accounts", "ledger", "realtime")


def keys(catalogue: Catalog) -> set[tuple[str | None, str]]:
    return {(message.context, str(message.id)) for message in catalogue if message.id}


@pytest.mark.parametrize(("domain", "language"), EVERY)
def test_every_sentence_of_the_sources_is_kept_and_no_other(domain: Domain, language: str) -> None:
    kept = messages.kept(domain.catalogue(language))

    assert keys(kept) ^ keys(messages.gathered(domain)) == set(), "python3 run.py messages"


@pytest.mark.parametrize(("domain", "language"), EVERY)
def test_every_sentence_is_translated(domain: Domain, language: str) -> None:
    assert list(messages.untranslated(messages.kept(domain.catalogue(language)))) == []


@pytest.mark.parametrize(("domain", "language"), EVERY)
def test_a_translation_has_the_places_of_its_sentence(domain: Domain, language: str) -> None:
    differing = []
    for message in messages.kept(domain.catalogue(language)):
        sentence = message.id[-1] if isinstance(message.id, list | tuple) else message.id
        texts = message.string if isinstance(message.string, list | tuple) else [message.string]
        wanted = Counter(PLACE.findall(str(sentence)))
        differing += [text for text in texts if message.id and Counter(PLACE.findall(str(text))) != wanted]

    assert differing == []


@pytest.mark.parametrize(("domain", "language"), EVERY)
def test_what_django_reads_is_what_was_translated(domain: Domain, language: str) -> None:
    path = domain.catalogue(language)

    assert _read(path.with_suffix(".mo").read_bytes()) == _read(messages.compiled(messages.kept(path)))


def test_sentences_are_found_in_python_and_in_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "BASE_DIR", tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "words.py").write_text('_("one")\nngettext("two", "twos", 2)\npgettext_lazy("a date", "To")\n')
    (tmp_path / "app" / "page.html").write_text(
        "{% load i18n %}{% translate 'three' %}{% blocktranslate with n=m %}{{ n }} four{% endblocktranslate %}\n"
        "{% translate 'From' context 'a date' %}{# {% translate 'never' %} #}"
    )

    found = messages.gathered(Domain(name="app", sources=("app",), home=tmp_path))

    assert keys(found) == {
        (None, "one"),
        (None, "('two', 'twos')"),
        ("a date", "To"),
        (None, "three"),
        (None, "%(n)s four"),
        ("a date", "From"),
    }


def test_what_nobody_has_translated_or_confirmed_is_named() -> None:
    catalogue = Catalog(locale="zh_Hans")
    catalogue.add("said", "说过")
    catalogue.add("unsaid")
    catalogue.add("perhaps", "也许", flags=["fuzzy"])
    catalogue.add(("one", "many"), ("",))

    assert list(messages.untranslated(catalogue)) == ["unsaid", "perhaps", "('one', 'many')"]


def test_a_new_sentence_is_asked_for_and_the_rest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Domain(name="app", sources=("app",), home=tmp_path)
    monkeypatch.setattr(messages, "BASE_DIR", tmp_path)
    monkeypatch.setattr(messages, "DOMAINS", (domain,))
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "words.py").write_text('_("old")\n_("gone")\n')
    messages.messages()
    path = domain.catalogue("zh_Hans")
    path.write_text(path.read_text().replace('msgid "old"\nmsgstr ""', 'msgid "old"\nmsgstr "旧"'))
    (tmp_path / "app" / "words.py").write_text('_("old")\n_("new")\n')

    code = messages.messages()

    assert code == 1
    assert {str(message.id): message.string for message in messages.kept(path) if message.id} == {
        "old": "旧",
        "new": "",
    }
    assert _read(path.with_suffix(".mo").read_bytes()).get("old") == "旧"


@pytest.mark.parametrize("model", [model for name in OURS for model in apps.get_app_config(name).get_models()])
def test_the_admin_names_models_and_fields_in_chinese(model: type[Model]) -> None:
    with translation.override("zh-hans"):
        named = {field.name: str(field.verbose_name) for field in model._meta.concrete_fields if field.name != "id"}
        named |= {"": str(model._meta.verbose_name), "plural": str(model._meta.verbose_name_plural)}

    assert {name: words for name, words in named.items() if not CHINESE.search(words)} == {}


def test_what_the_ledger_refuses_is_said_in_words_that_can_be_translated() -> None:
    refusals = {each.__name__ for each in [LedgerError, *LedgerError.__subclasses__()]}
    plain = [
        f"{path.relative_to(BASE_DIR)}:{call.lineno}"
        for path in (BASE_DIR / "ledger").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in refusals
        if call.args and isinstance(call.args[0], ast.Constant | ast.JoinedStr)
    ]

    assert plain == []


def test_realtime_carries_its_own_words() -> None:
    assert DOMAINS[0].catalogue("zh_Hans").is_relative_to(BASE_DIR / "realtime")


def _read(compiled: bytes) -> dict[object, object]:
    catalogue: dict[object, object] = gettext.GNUTranslations(io.BytesIO(compiled))._catalog  # type: ignore[attr-defined]
    return {key: text for key, text in catalogue.items() if key}
