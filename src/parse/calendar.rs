//! The names of months and days, as feeds write them: in Dutch, English, French, German, Indonesian, Italian, Polish,
//! Portuguese, Russian, Spanish and Ukrainian, in full or not, in any case of the grammar.

/// The month that a name in lower case begins as; `None` when it is none, or shorter than three letters.
pub(super) fn month(name: &str) -> Option<u32> {
    if name.chars().nth(2).is_none() || DAYS.iter().any(|day| name.starts_with(day)) {
        return None;
    }
    MONTHS.iter().find(|(beginning, _)| name.starts_with(beginning)).map(|(_, month)| *month)
}

/// Days of the week that begin as a month does.
const DAYS: [&str; 4] = ["mard", "marted", "martes", "серед"];

/// Beginnings that tell months apart.
const MONTHS: [(&str, u32); 79] = [
    ("jan", 1),
    ("ene", 1),
    ("gen", 1),
    ("sty", 1),
    ("jän", 1),
    ("січ", 1),
    ("янв", 1),
    ("feb", 2),
    ("fév", 2),
    ("fev", 2),
    ("lut", 2),
    ("лют", 2),
    ("фев", 2),
    ("mar", 3),
    ("mär", 3),
    ("mae", 3),
    ("mrz", 3),
    ("maa", 3),
    ("бер", 3),
    ("мар", 3),
    ("apr", 4),
    ("avr", 4),
    ("abr", 4),
    ("kwi", 4),
    ("кві", 4),
    ("апр", 4),
    ("may", 5),
    ("mai", 5),
    ("mag", 5),
    ("maj", 5),
    ("mei", 5),
    ("тра", 5),
    ("мая", 5),
    ("май", 5),
    ("jun", 6),
    ("juin", 6),
    ("giu", 6),
    ("cze", 6),
    ("чер", 6),
    ("июн", 6),
    ("jul", 7),
    ("juil", 7),
    ("lug", 7),
    ("lip", 7),
    ("лип", 7),
    ("июл", 7),
    ("aug", 8),
    ("aoû", 8),
    ("aou", 8),
    ("ago", 8),
    ("agu", 8),
    ("sie", 8),
    ("сер", 8),
    ("авг", 8),
    ("sep", 9),
    ("set", 9),
    ("wrz", 9),
    ("вер", 9),
    ("сен", 9),
    ("oct", 10),
    ("okt", 10),
    ("ott", 10),
    ("out", 10),
    ("paź", 10),
    ("paz", 10),
    ("жов", 10),
    ("окт", 10),
    ("nov", 11),
    ("lis", 11),
    ("лис", 11),
    ("ноя", 11),
    ("dec", 12),
    ("dez", 12),
    ("déc", 12),
    ("dic", 12),
    ("des", 12),
    ("gru", 12),
    ("гру", 12),
    ("дек", 12),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_in_every_language() {
        for (languages, year) in [
            ("English", "January February March April May June July August September October November December"),
            ("short", "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec"),
            ("Ukrainian", "січень лютий березень квітень травень червень липень серпень вересень жовтень листопад грудень"),
            ("genitive", "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня"),
            ("short", "січ лют бер кві тра чер лип сер вер жов лис гру"),
            ("Russian", "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь"),
            ("genitive", "января февраля марта апреля мая июня июля августа сентября октября ноября декабря"),
            ("German", "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
            ("French", "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
            ("short", "janv févr mars avr mai juin juil août sept oct nov déc"),
            ("Spanish", "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
            ("Italian", "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
            ("Portuguese", "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
            ("Dutch", "januari februari maart april mei juni juli augustus september oktober november december"),
            ("Indonesian", "Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember"),
            ("Polish", "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień"),
            ("genitive", "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia"),
        ] {
            for (name, number) in year.split(' ').zip(1..) {
                assert_eq!(month(&name.to_lowercase()), Some(number), "{languages} {name}");
            }
        }
    }

    #[test]
    fn days_are_no_months() {
        for days in [
            "Monday Tuesday Wednesday Thursday Friday Saturday Sunday Mon Tue Wed Thu Fri Sat Sun",
            "понеділок вівторок середа четвер п’ятниця субота неділя пн вт ср чт пт сб нд середу",
            "понедельник вторник среда четверг пятница суббота воскресенье",
            "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
            "lundi mardi mercredi jeudi vendredi samedi dimanche",
            "lunes martes miércoles jueves viernes sábado domingo",
            "lunedì martedì mercoledì giovedì venerdì sabato domenica",
            "segunda terça quarta quinta sexta sábado domingo",
            "poniedziałek wtorek środa czwartek piątek sobota niedziela",
        ] {
            for day in days.split(' ') {
                assert_eq!(month(&day.to_lowercase()), None, "{day}");
            }
        }
    }
}
