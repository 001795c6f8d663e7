//! Conditions of each form of the small language, and SQL that is not of it.

use super::Seed;

const CONDITIONS: [(&str, &str); 10] = [
    ("comparison", "id > 5"),
    ("text", r#""Color" <> 'it''s' AND name = E'a\\b'"#),
    ("precedence", "a = 1 OR NOT b = 2 AND c IS NOT NULL"),
    ("list", "id NOT IN (1, -2.5e3, '7')"),
    (
        "between",
        "placed BETWEEN '2024-01-01' AND '2024-02-01'::timestamptz",
    ),
    ("like", "name LIKE 'a%' AND name NOT ILIKE '%b_'"),
    (
        "typed",
        "day >= date '2024-01-01' AND id = uuid '7d444840-9dc0-11d1-b245-5ffdce74fad2'",
    ),
    ("boolean", "active AND TRUE AND NOT (deleted OR FALSE)"),
    (
        "subquery",
        "id = (SELECT max(id) FROM public.t) AND tags[1] = 'a'",
    ),
    ("dollar", "body = $a$ ) $$ -- $a$"),
];

pub(super) fn seeds() -> Vec<Seed> {
    let seed = |(name, text): (&str, &str)| (name.to_owned(), text.as_bytes().to_vec());
    CONDITIONS.into_iter().map(seed).collect()
}
