"""A small town for mails: every text is short, so that a test shows all it depends on."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

from booking_web.town import (
    AccessibilityContact,
    Address,
    DataProtection,
    Document,
    LegalEntity,
    NeededBy,
    OfficeInfo,
    ReminderRule,
    Service,
    Town,
)
from tests.support.town import BERLIN

HOST = "termin.test"
SECRET = b"a secret of thirty-two characters"
UID = "abcdefghijklmnopqrstuvwxyz@termin.test"
ADDRESS = Address("Marktplatz 1", "59872", "Meschede", {"de": "Rathaus", "en": "Town hall"})

OLD_PASS = Document("alter-pass", {"de": "Alter Pass", "en": "Old passport"}, {"de": "Auch abgelaufen."})
PHOTO = Document("foto", {"de": "Digitales Foto", "en": "Digital photo"})
CONSENT = Document(
    "zustimmung", {"de": "Zustimmung der Eltern", "en": "Consent of the parents"}, needed_by=NeededBy.CHILD
)


def town(**values: object) -> Town:
    """Meschede with one office and three services."""
    office = OfficeInfo(
        "buergerbuero",
        {"de": "Bürgerbüro", "en": "Citizens' office"},
        BERLIN,
        ADDRESS,
        "buergerbuero@stadt.test",
        "+49 291 0000",
        ("reisepass", "beglaubigung", "meldebescheinigung"),
    )
    made = Town(
        name="Meschede",
        official_name={"de": "Stadt Meschede"},
        zone=BERLIN,
        base_url=f"https://{HOST}",
        host=HOST,
        mail_sender="Stadt Meschede",
        legal=LegalEntity("Stadt Meschede", {"de": "Bürgermeister"}, ADDRESS, "1", "post@stadt.test"),
        data_protection=DataProtection({"de": "Beauftragte"}, "schutz@stadt.test"),
        accessibility=AccessibilityContact("frei@stadt.test"),
        offices=(office,),
        services=(
            Service(
                "reisepass",
                {"de": "Reisepass", "en": "Passport"},
                20,
                documents=(OLD_PASS, PHOTO, CONSENT),
                max_persons=4,
            ),
            Service("beglaubigung", {"de": "Beglaubigung", "en": "Certified copy"}, 10, documents=(PHOTO,)),
            Service("meldebescheinigung", {"de": "Meldebescheinigung", "en": "Certificate of residence"}, 10),
        ),
        reminder=ReminderRule(1, time(10)),
    )
    return replace(made, **values)  # type: ignore[arg-type]
