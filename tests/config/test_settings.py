from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.checks import check
from config.mistakes import ConfigError
from config.schema import contrast
from config.settings import environment_names, load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.config.conftest import Folder

TOWN, SERVICES, OFFICES, SERVER = "town.toml", "services.toml", "offices.toml", "server.toml"


def test_the_example_town_has_no_mistake(folder: Folder) -> None:
    settings = folder.load()
    assert settings.offices.offices[0].id == "buergerbuero"
    assert len(settings.services.services) == 8


def test_everything_wrong_in_all_files_is_told_at_once(folder: Folder) -> None:
    folder.replace(TOWN, 'zone = "Europe/Berlin"', 'zone = "Europe/Meschede"')
    folder.replace(TOWN, 'primary = "#0b4f8a"', 'primary = "blue"')
    folder.replace(SERVICES, "minutes = 15", "minutes = 17")
    folder.replace(OFFICES, 'holiday_region = "DE-NW"', 'holiday_region = "DE-XX"')
    folder.replace(OFFICES, 'services = ["anmeldung"', 'services = ["anmeldnug"')
    folder.write(SERVER, "[server]\nsite_prot = 80\n")
    assert folder.mistakes(TERMIN_SMTP_PORT="none") == [
        "environment: TERMIN_SMTP_PORT: must be a whole number",
        (
            "offices.toml: offices[0 buergerbuero].clerks[2 clerk3].services[0]: "
            'there is no service with the id "anmeldnug"; did you mean "anmeldung"?'
        ),
        "offices.toml: offices[0 buergerbuero].holiday_region: 'DE-XX' isn't a known holiday region (such as DE-NW)",
        'server.toml: server.site_prot: isn\'t a known key; did you mean "site_port"?',
        "services.toml: services[0 personalausweis].minutes: must be a multiple of 5, not 17",
        "town.toml: looks.primary: 'blue' isn't a colour such as #1b4f72",
        "town.toml: zone: 'Europe/Meschede' isn't a known time zone (such as Europe/Berlin)",
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "mistake"),
    [
        (TOWN, 'name = "Meschede"', "", "town.toml: name: is missing"),
        (TOWN, 'name = "Meschede"', 'name = ""', "town.toml: name: must not be empty"),
        (TOWN, 'name = "Meschede"', "name = 3", "town.toml: name: must be a text in quotation marks"),
        (
            TOWN,
            'name = "Meschede"',
            'name = "a\\u0000b"',
            "town.toml: name: must be a single line without control characters",
        ),
        (
            TOWN,
            'official_name.en = "Town of Meschede"',
            "",
            "town.toml: official_name: has no text in en",
        ),
        (
            TOWN,
            'official_name.en = "Town of Meschede"',
            'official_name.en = "Town"\nofficial_name.fr = "Ville"',
            "town.toml: official_name: has a text in fr, which isn't one of the town's languages (de, en, tr, uk, ar, leicht)",
        ),
        (
            TOWN,
            'host = "termin.meschede.example"',
            'host = "https://termin.example"',
            "town.toml: host: 'https://termin.example' isn't a host name (lower case, without https:// and without a port)",
        ),
        (
            TOWN,
            'on_primary = "#ffffff"',
            'on_primary = "#888888"',
            "town.toml: looks: on_primary #888888 on primary #0b4f8a has a contrast of 2.4 to 1; at least 4.5 is needed",
        ),
        (
            TOWN,
            '"emblem.svg"',
            '"../emblem.svg"',
            "town.toml: looks.coat_of_arms: must be the name of an .svg or .png file in the same folder",
        ),
        (
            TOWN,
            '"emblem.svg"',
            '"wappen.svg"',
            "town.toml: looks.coat_of_arms: there's no file 'wappen.svg' in this folder",
        ),
        (
            TOWN,
            '"emblem.png"',
            '"emblem.svg"',
            "town.toml: looks.mail_emblem: must be the name of a .png file in the same folder",
        ),
        (
            TOWN,
            '"emblem.png"',
            '"wappen.png"',
            "town.toml: looks.mail_emblem: there's no file 'wappen.png' in this folder",
        ),
        (
            TOWN,
            'id = "wohnen"',
            'id = "ausweise"',
            'town.toml: groups[1 ausweise].id: the id "ausweise" is given 2 times',
        ),
        (
            SERVICES,
            'needed_by = "lost"',
            'needed_by = "losst"',
            (
                "services.toml: services[0 personalausweis].documents[4 verlustanzeige].needed_by: must be one of "
                "'everyone', 'adult', 'child', 'first-time', 'changed', 'lost', 'represented', 'sometimes', not 'losst'"
            ),
        ),
        (
            SERVICES,
            'documents = [\n    "alter-ausweis",',
            'documents = [\n    "alterausweis",',
            (
                "services.toml: services[0 personalausweis].documents[0]: "
                'there is no document named "alterausweis"; did you mean "alter-ausweis"?'
            ),
        ),
        (
            SERVICES,
            'id = "reisepass"',
            'id = "personalausweis"',
            'services.toml: services[1 personalausweis].id: the id "personalausweis" is given 2 times',
        ),
        (
            SERVICES,
            "setup_minutes = 5",
            "setup_minutes = 15",
            "services.toml: services[0 personalausweis]: setup_minutes (15) must be less than minutes (15)",
        ),
        (
            OFFICES,
            'id = "buergerbuero"',
            'id = "../etc"',
            (
                "offices.toml: offices[0 ../etc].id: '../etc' can't be an id: "
                "use up to 40 lower case letters a-z, digits, and single hyphens between them"
            ),
        ),
        (
            OFFICES,
            'id = "clerk1"',
            'id = "site"',
            "offices.toml: offices[0 buergerbuero].clerks[0 site].id: 'site' is reserved for the program itself",
        ),
        (
            OFFICES,
            'id = "clerk2"',
            'id = "clerk1"',
            (
                "offices.toml: offices[0 buergerbuero].clerks[1 clerk1].id: "
                'the id "clerk1" is given 2 times; a clerk works in one office'
            ),
        ),
        (
            OFFICES,
            'id = "clerk1"',
            'id = "buergerbuero"',
            (
                "offices.toml: offices[0 buergerbuero].clerks[0 buergerbuero].id: "
                '"buergerbuero" is already the id of an office'
            ),
        ),
        (
            OFFICES,
            'day = "wednesday"\nfrom = "08:00"',
            'day = "monday"\nfrom = "08:00"',
            "offices.toml: offices[0 buergerbuero].windows[1]: monday 08:00-12:00 overlaps [0] 08:00-16:00",
        ),
        (
            OFFICES,
            'to = "16:00"',
            'to = "25:00"',
            "offices.toml: offices[0 buergerbuero].windows[0].to: must be a time of day such as \"08:00\", not '25:00'",
        ),
        (
            OFFICES,
            'to = "16:00"',
            'to = "08:00"',
            "offices.toml: offices[0 buergerbuero].windows[0]: must end after it begins (08:00-08:00)",
        ),
        (
            OFFICES,
            'to = "16:00"',
            'to = "16:03"',
            "offices.toml: offices[0 buergerbuero].windows[0].to: must be a multiple of five minutes, not 16:03",
        ),
        (
            OFFICES,
            "share = 0.5",
            "share = 0",
            "offices.toml: offices[0 buergerbuero].clerks[2 clerk3].share: must be more than 0.0, not 0",
        ),
        (
            OFFICES,
            '"fundbuero",\n]\nholiday_region',
            "]\nholiday_region",
            (
                "offices.toml: offices[0 buergerbuero].clerks[1 clerk2].services[7]: "
                'this office doesn\'t offer the service "fundbuero"'
            ),
        ),
    ],
)
def test_a_mistake_names_file_key_and_reason(
    folder: Folder, file: str, old: str, new: str, mistake: str
) -> None:
    assert mistake in folder.replace(file, old, new).mistakes()


def test_a_service_that_nobody_can_do_is_a_mistake(folder: Folder) -> None:
    folder.replace(OFFICES, 'services = "all"', 'services = ["meldebescheinigung"]')
    text = (folder.path / OFFICES).read_text("utf-8")
    clerks = text[text.index('name = "Murat') :]
    folder.write(
        OFFICES, text.replace(clerks, clerks.replace('    "reisepass",\n', "").replace('"reisepass", ', ""))
    )
    assert folder.mistakes() == [
        'offices.toml: offices[0 buergerbuero].services[1]: no clerk of this office may do "reisepass"'
    ]


def test_a_service_whose_clerks_never_work_in_a_window_is_a_mistake(folder: Folder) -> None:
    folder.replace(OFFICES, 'to = "16:00"', 'to = "16:00"\nservices = ["abmeldung"]')
    folder.replace(OFFICES, 'day = "wednesday"\n', 'day = "saturday"\n')
    mistakes = folder.mistakes()
    assert len(mistakes) == 7
    assert mistakes[0].endswith(
        'services[0]: nobody who may do "personalausweis" works in a window in which it can be booked'
    )


def test_a_host_of_the_public_site_alone_needs_no_clerks(folder: Folder) -> None:
    text = (folder.path / OFFICES).read_text("utf-8")
    folder.write(OFFICES, text[: text.index("[[offices.clerks]]")])
    assert folder.mistakes() == [
        "offices.toml: offices[0 buergerbuero].clerks: an office needs at least one clerk"
    ]
    assert folder.load(people=False).offices.offices[0].clerks == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name = ", "isn't valid TOML: Invalid value (at end of document)"),
        (b'name = "\xff"', "isn't text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_beside_mistakes_in_others(
    folder: Folder, content: bytes, reason: str
) -> None:
    (folder.path / TOWN).write_bytes(content)
    folder.replace(OFFICES, "share = 0.5", "share = 2")
    assert folder.mistakes() == [
        "offices.toml: offices[0 buergerbuero].clerks[2 clerk3].share: must be at most 1.0, not 2",
        f"town.toml: {reason}",
    ]


def test_missing_files_and_a_missing_folder_are_told(folder: Folder, tmp_path: Path) -> None:
    (folder.path / TOWN).unlink()
    (folder.path / SERVICES).unlink()
    assert folder.mistakes() == [
        "services.toml: there is no such file in this folder",
        "town.toml: there is no such file in this folder",
    ]
    with pytest.raises(ConfigError, match="there is no such folder"):
        load(tmp_path / "nowhere", environment={})
    with pytest.raises(ConfigError, match="isn't a folder"):
        load(folder.path / OFFICES, environment={})


def test_the_environment_goes_before_the_file(folder: Folder) -> None:
    folder.write(SERVER, "[server]\nsite_port = 8100\nstaff_port = 8101\n")
    settings = folder.load(
        TERMIN_SERVER_SITE_PORT="8200", TERMIN_DATABASE_URL="postgresql+psycopg://u:p@db/termin", OTHER="x"
    )
    assert settings.server.server.site_port == 8200
    assert settings.server.server.staff_port == 8101
    assert settings.server.database.url == "postgresql+psycopg://u:p@db/termin"


def test_variables_of_the_tests_are_left_alone(folder: Folder) -> None:
    assert folder.load(TERMIN_TEST_POSTGRESQL="x", TERMIN_DATA="y")


def test_a_password_of_digits_stays_a_text(folder: Folder) -> None:
    settings = folder.load(TERMIN_SMTP_HOST="mail.example", TERMIN_SMTP_USER="u", TERMIN_SMTP_PASSWORD="0815")
    assert settings.server.smtp.password == "0815"


def test_a_misspelt_variable_and_a_bad_value_name_the_variable(folder: Folder) -> None:
    assert folder.mistakes(TERMIN_SERVER_SITEPORT="1", TERMIN_DATABASE_URL="mysql://x") == [
        'environment: TERMIN_DATABASE_URL: must begin with "postgresql+psycopg://" or "sqlite:///"',
        'environment: TERMIN_SERVER_SITEPORT: isn\'t a known setting; did you mean "TERMIN_SERVER_SITE_PORT"?',
    ]


def test_every_variable_has_its_own_setting() -> None:
    names = environment_names()
    assert names["TERMIN_DATABASE_URL"] == ("database", "url")
    assert len(set(names.values())) == len(names)


def test_mail_without_encryption_is_only_for_this_machine(folder: Folder) -> None:
    folder.write(SERVER, '[smtp]\nhost = "mail.example"\nsecurity = "none"\n')
    assert folder.mistakes() == [
        'server.toml: smtp: security "none" is only for a mail server on the same machine; use "starttls" or "tls"'
    ]


@pytest.mark.parametrize("table", ["smtp", "replies"])
@pytest.mark.parametrize(
    "host", ["mail.example:587", "smtps://mail.example", "termin@mail.example", "mail example"]
)
def test_a_server_is_given_by_its_name_alone(folder: Folder, table: str, host: str) -> None:
    folder.write(SERVER, f'[{table}]\nhost = "{host}"\n')
    assert folder.mistakes() == [
        f"server.toml: {table}.host: '{host}' isn't the name of a server alone; the port has a key of its own"
    ]


@pytest.mark.parametrize("host", ["mail.example", "2001:db8::25", "192.0.2.25"])
def test_a_server_may_be_given_by_its_address(folder: Folder, host: str) -> None:
    folder.write(SERVER, f'[smtp]\nhost = "{host}"\n')
    assert folder.load().server.smtp.host == host


@pytest.mark.parametrize("password", ["a:b/c", "a/b", "a#b", "a?b", "[a"])
def test_a_database_password_that_tears_the_address_apart_is_a_mistake(folder: Folder, password: str) -> None:
    folder.write(SERVER, f'[database]\nurl = "postgresql+psycopg://termin:{password}@db.example/termin"\n')
    (said,) = folder.mistakes()
    assert said.startswith("server.toml: database.url: isn't a database's address; write @ : / ?")
    assert password not in said


def test_a_login_to_the_mail_server_is_in_ascii(folder: Folder) -> None:
    folder.write(SERVER, '[smtp]\nhost = "mail.example"\nuser = "jürgen"\npassword = "süß"\n')
    assert folder.mistakes() == [
        "server.toml: smtp: umlauts and the like aren't possible in user and password; please choose another"
    ]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('host = "mail.example"\nuser = "u"', "a mailbox needs password, vouching as well"),
        (
            'host = "mail.example"\nsecurity = "none"',
            'security "none" is only for a mailbox on the same machine; use "tls" or "starttls"',
        ),
        (
            'host = "mail.example"\nuser = "u"\npassword = "süß"\nvouching = "mx.example"',
            "umlauts and the like aren't possible in password; please choose another",
        ),
        (
            'host = "mail.example"\nuser = "u"\npassword = "p"\nvouching = "mx.example"\nfolder = "Entwürfe"',
            'write a folder\'s umlauts as IMAP does (RFC 3501 section 5.1.3): "Entw&APw-rfe" for "Entwürfe"',
        ),
    ],
)
def test_a_mailbox_for_replies_is_given_whole_and_encrypted(folder: Folder, lines: str, said: str) -> None:
    folder.write(SERVER, f"[replies]\n{lines}\n")
    assert folder.mistakes() == [f"server.toml: replies: {said}"]


def test_the_same_port_twice_is_a_mistake(folder: Folder) -> None:
    folder.write(SERVER, "[server]\nsite_port = 5232\n")
    assert folder.mistakes() == ["server.toml: server.site_port: the port 5232 is given 2 times"]


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(
    raw=st.fixed_dictionaries(
        {},
        optional={
            "offices": st.lists(
                st.dictionaries(
                    st.sampled_from(["id", "services", "windows", "clerks", "zone"]), _values, max_size=4
                ),
                max_size=3,
            )
            | _values,
            "services": _values,
            "languages": _values,
            "server": _values,
        },
    )
)
def test_no_table_however_wrong_breaks_the_checks(raw: dict[str, object]) -> None:
    for mistake in check({TOWN: raw, SERVICES: raw, OFFICES: raw, SERVER: raw}):
        assert mistake.reason


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_a_waiting_list_needs_hours_in_which_people_answer(folder: Folder) -> None:
    folder.replace("offices.toml", "enabled = true", 'enabled = true\nday_from = "21:00"')
    assert any(
        "day_until must be at least an hour after day_from" in mistake for mistake in folder.mistakes()
    )
