"""The words for what is wrong with a field, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from booking_web.language import gettext

if TYPE_CHECKING:
    from booking_web.booking.errors import FieldError


def _(message: str) -> str:
    """Mark a text for translation where it stands; `gettext` translates it when it's shown."""
    return message


_BY_FIELD = {
    ("name", "required"): _("Geben Sie Ihren Namen ein."),
    ("email", "required"): _("Geben Sie Ihre E-Mail-Adresse ein."),
    ("phone", "required"): _(
        "Geben Sie Ihre Telefonnummer ein. Für dieses Anliegen rufen wir Sie vielleicht an."
    ),
    ("office", "required"): _("Wählen Sie einen Standort."),
    ("start", "required"): _("Wählen Sie eine Uhrzeit."),
}
_BY_CODE = {
    "required": _("Diese Angabe fehlt."),
    "feedback-required": _("Schreiben Sie, was Ihnen aufgefallen ist."),
    "type": _("Diese Angabe hat nicht die richtige Form."),
    "unknown": _("Diese Angabe kennen wir nicht."),
    "unknown-office": _("Diesen Standort gibt es nicht."),
    "unknown-service": _("Dieses Anliegen gibt es hier nicht."),
    "unknown-language": _("Diese Sprache gibt es hier nicht."),
    "no-service": _("Wählen Sie mindestens ein Anliegen."),
    "twice": _("Dieses Anliegen ist doppelt. Geben Sie stattdessen an, für wie viele Personen es ist."),
    "persons": _("Geben Sie die Zahl der Personen als Ziffern ein."),
    "persons-limit": _(
        "Bei diesem Anliegen gehen 1 bis %(limit)s auf einmal. Für mehr rufen Sie uns bitte an."
    ),
    "group-limit": _("Online gehen höchstens %(limit)s Termine auf einmal. Für mehr rufen Sie uns bitte an."),
    "too-many-services": _("Sie können höchstens %(limit)s Anliegen auf einmal wählen."),
    "too-long": _("Das dauert zusammen länger als %(limit)s Minuten. Bitte rufen Sie uns an."),
    "too-long-text": _("Der Text ist zu lang. Es gehen höchstens %(limit)s Zeichen."),
    "control-characters": _("Der Text enthält Zeichen, die wir nicht verarbeiten können."),
    "name": _("Der Name muss Buchstaben enthalten."),
    "name-is-address": _("Geben Sie hier nur Ihren Namen ein, keine Adresse im Internet."),
    "email": _("Die E-Mail-Adresse ist nicht vollständig. Sie sieht zum Beispiel so aus: name@beispiel.de"),
    "email-umlaut": _("Vor dem @ darf die E-Mail-Adresse keine Umlaute haben."),
    "phone": _("Die Telefonnummer ist nicht vollständig. Sie sieht zum Beispiel so aus: 0291 205 0"),
    "datetime": _("Geben Sie Datum und Uhrzeit mit Zeitzone an, zum Beispiel 2026-12-07T08:00:00+01:00."),
    "date": _("Geben Sie ein Datum an, zum Beispiel 2026-12-07."),
    "range": _("Das Ende liegt vor dem Anfang."),
    "off-grid": _("Termine beginnen alle %(limit)s Minuten. Wählen Sie eine Uhrzeit aus der Liste."),
    "too-soon": _("Diese Zeit ist zu bald oder schon vorbei. Wählen Sie eine spätere."),
    "too-far": _("So weit im Voraus geht es nicht. Sie können höchstens %(limit)s Tage vorher buchen."),
    "leave-empty": _("Lassen Sie dieses Feld bitte leer. Es ist nur für Programme da."),
    "proof": _("Es fehlt eine gültige Lösung der Rechenaufgabe (altcha)."),
    "wish-until": _("Geben Sie an, bis wann Sie den Termin spätestens brauchen."),
    "wish-past": _("Dieser Tag ist schon vorbei. Wählen Sie einen späteren."),
    "wish-too-far": _(
        "So lange können Sie nicht warten. Wählen Sie einen Tag in den nächsten %(limit)s Tagen."
    ),
    "wish-days": _("Wählen Sie mindestens einen Wochentag."),
    "too-many-wishes": _(
        "Mit dieser E-Mail-Adresse stehen Sie schon so oft auf der Warteliste, wie es geht."
    ),
    "key": _("Der Schlüssel darf 1 bis 255 sichtbare Zeichen haben."),
}


def message_of(error: FieldError) -> str:
    """Return one or two sentences that say what to do. KeyError for an unknown code."""
    text = _BY_FIELD.get((error.field, error.code)) or _BY_CODE[error.code]
    return gettext(text, limit=error.limit) if error.limit is not None else gettext(text)
