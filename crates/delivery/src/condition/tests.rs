use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::condition::error::{CONDITION_BYTES_MAX, ConditionError};
use crate::condition::expression::{Comparison, Expression, Literal, Operand, TypeName};
use crate::condition::{Condition, Dialect};

fn check(text: &str, expected: &Expect) {
    let shown = match Condition::parse(text, Dialect::Comparisons) {
        Ok(condition) => condition.sql(),
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn comparisons_are_written_with_operators_of_pg_catalog() {
    check("id > 5", &expect![[r#""id" OPERATOR(pg_catalog.>) 5"#]]);
    check(
        r#"Id = -5 AND "Color" <> 'it''s'"#,
        &expect![[r#"("id" OPERATOR(pg_catalog.=) (-5)) AND ("Color" OPERATOR(pg_catalog.<>) 'it''s')"#]],
    );
    check(
        "a = 1 or not b = 2 and c is not null",
        &expect![[
            r#"("a" OPERATOR(pg_catalog.=) 1) OR ((NOT ("b" OPERATOR(pg_catalog.=) 2)) AND ("c" IS NOT NULL))"#
        ]],
    );
    check(
        "id NOT IN (1, 2.5e3) AND id BETWEEN 3 AND 4",
        &expect![[
            r#"(NOT ("id" OPERATOR(pg_catalog.=) 1 OR "id" OPERATOR(pg_catalog.=) 2.5e3)) AND (("id" OPERATOR(pg_catalog.>=) 3 AND "id" OPERATOR(pg_catalog.<=) 4))"#
        ]],
    );
    check(
        "name LIKE 'a%' AND name NOT ILIKE E'b\\\\%'",
        &expect![[r#"("name" OPERATOR(pg_catalog.~~) 'a%') AND ("name" OPERATOR(pg_catalog.!~~*) E'b\\%')"#]],
    );
    check(
        "placed >= date '2024-01-01' AND placed < '2024-02-01'::TIMESTAMPTZ",
        &expect![[
            r#"("placed" OPERATOR(pg_catalog.>=) '2024-01-01'::pg_catalog.date) AND ("placed" OPERATOR(pg_catalog.<) '2024-02-01'::pg_catalog.timestamptz)"#
        ]],
    );
    check("active", &expect![[r#""active""#]]);
    check(
        "date > date '2024-01-01'",
        &expect![[r#""date" OPERATOR(pg_catalog.>) '2024-01-01'::pg_catalog.date"#]],
    );
}

#[test]
fn comparisons_reject_other_sql() {
    check("", &expect!["error: the condition is empty"]);
    check(
        "true) LIMIT (select 1) --",
        &expect!["error: a comment begins at byte 23; conditions have none"],
    );
    check(
        "true) OR (true",
        &expect![
            r#"error: at byte 4, AND, OR or the end is expected instead of ')'; conditions compare columns with constants (=, <>, <, <=, >, >=, IN, BETWEEN, LIKE, IS NULL, AND, OR, NOT)"#
        ],
    );
    for text in [
        "pg_sleep(300) is null",
        "id = (select id from t)",
        "id = 1; drop table t",
        "id + 1 = 2",
        "t.id = 1",
        "id::text = '1'",
        "'1'::public.evil = id",
        "id = any ('{1}')",
        "current_user()",
        "5",
        "id = $1",
        "id = 'a' 'b'",
        "id = E'\\x41'",
        "id OPERATOR(public.=) 1",
        "id = 1 /* */",
        "id IS DISTINCT FROM 1",
        "select",
        "id in ()",
        "id in (select 1)",
        "id = 'open",
        "id = 0x1F",
        "(id = 1",
    ] {
        let parsed = Condition::parse(text, Dialect::Comparisons);
        assert!(parsed.is_err(), "{text}: {parsed:?}");
    }
}

#[test]
fn each_fault_of_a_condition_has_its_error() {
    let error = |text| Condition::parse(text, Dialect::Comparisons).unwrap_err();
    assert_eq!(error(""), ConditionError::Empty);
    assert_eq!(error("id = 1 -- x"), ConditionError::Comment { at: 7 });
    assert_eq!(error("id = 'open"), ConditionError::OpenQuote { at: 5 });
    assert_eq!(error("id = 'a' 'b'"), ConditionError::AdjacentTexts { at: 9 });
    assert_eq!(error("id = 0x1F"), ConditionError::Number { at: 5 });
    assert!(matches!(
        error("id = $1"),
        ConditionError::Character { found: '$', at: 5 }
    ));
    assert!(matches!(error("select"), ConditionError::Syntax { .. }));
    assert_eq!(
        Condition::parse("true) OR (true", Dialect::Sql),
        Err(ConditionError::Parentheses { at: 4 })
    );
}

#[test]
fn length_and_depth_of_conditions_are_limited() {
    let long = format!("id = '{}'", "x".repeat(CONDITION_BYTES_MAX));
    for dialect in [Dialect::Comparisons, Dialect::Sql] {
        let error = Condition::parse(&long, dialect).unwrap_err();
        assert_eq!(error, ConditionError::TooLong { bytes: long.len() });
    }
    let deep = format!("{}a{}", "(".repeat(65), ")".repeat(65));
    assert_eq!(
        Condition::parse(&deep, Dialect::Comparisons),
        Err(ConditionError::TooDeep)
    );
    let deep = format!("{}a", "not ".repeat(4000));
    assert_eq!(
        Condition::parse(&deep, Dialect::Comparisons),
        Err(ConditionError::TooDeep)
    );
}

#[test]
fn sql_stays_inside_its_parentheses() {
    for text in [
        "id > 5",
        "id = (select max(id) from public.t)",
        "v = ';' AND w <> ')' AND x = $$ ) -- $$ AND y = $a$ $$ ) $a$",
        r#""odd ) -- name" = E'it''s \\ )'"#,
        "tags[1] = 'a' AND f(x => 1) @> '{}'",
        "a$b$c = 1",
        "x = -1 AND y >- 2",
    ] {
        Condition::parse(text, Dialect::Sql).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    for text in [
        "true) LIMIT (select count(nextval('public.sq'))) --",
        "true) OR (true",
        "'x' = '\\' OR '' = '' )) TO PROGRAM $$id > F$$ --'",
        "true -- ",
        "true /* ",
        "true /* */",
        "a ->-- b",
        "true; drop table t",
        "(true",
        "a[1)",
        "'open",
        "$$ open",
        "$a$ open $b$",
        "E'\\') OR (true OR E''='",
        "E'a'\n'\\') OR (true)'",
        "'a'\n'b'",
        "1E'\\'",
        "1$a$ )$a$",
        "$1 = 1",
        "a \\ b",
        "a = '\0'",
        "",
        " \n ",
    ] {
        let parsed = Condition::parse(text, Dialect::Sql);
        assert!(parsed.is_err(), "{text}: {parsed:?}");
    }
}

#[test]
fn lists_the_columns_of_a_condition() {
    let condition = Condition::parse(
        "a = b OR NOT (\"C\" IN (1)) AND d IS NULL AND e",
        Dialect::Comparisons,
    );
    let condition = condition.unwrap();
    let columns: Vec<&str> = condition.columns().unwrap().into_iter().collect();
    assert_eq!(columns, ["C", "a", "b", "d", "e"]);
}

fn literal() -> impl Strategy<Value = Literal> {
    let types = prop::sample::select(vec![TypeName::Date, TypeName::Uuid, TypeName::Int8]);
    prop_oneof![
        "-?[0-9]{1,5}(\\.[0-9]{0,3})?(e-?[0-9]{1,2})?".prop_map(Literal::Number),
        text().prop_map(Literal::Text),
        (types, text()).prop_map(|(type_name, text)| Literal::Typed { type_name, text }),
        any::<bool>().prop_map(Literal::Boolean),
    ]
}

fn text() -> impl Strategy<Value = String> {
    "[a\\\\'\")(; $\u{e9}\n-]{0,8}"
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        text().prop_map(Operand::Column),
        literal().prop_map(Operand::Literal)
    ]
}

fn expressions() -> impl Strategy<Value = Expression> {
    let comparison = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::LessOrEqual,
        Comparison::Like,
        Comparison::NotILike,
    ]);
    let leaf = prop_oneof![
        text().prop_map(|column| Expression::Truth(Operand::Column(column))),
        (operand(), comparison, operand()).prop_map(|(left, comparison, right)| Expression::Compare {
            left,
            comparison,
            right
        }),
        (operand(), any::<bool>(), prop::collection::vec(literal(), 1..3)).prop_map(
            |(operand, negated, list)| Expression::In {
                operand,
                negated,
                list
            }
        ),
        (operand(), any::<bool>(), literal(), literal()).prop_map(|(operand, negated, low, high)| {
            Expression::Between {
                operand,
                negated,
                low,
                high,
            }
        }),
        (operand(), any::<bool>()).prop_map(|(operand, negated)| Expression::IsNull { operand, negated }),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::Or),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn a_printed_expression_parses_as_the_same(expression in expressions()) {
        let printed = expression.to_string();
        let read = Condition::parse(&printed, Dialect::Comparisons);
        prop_assert_eq!(read, Ok(Condition::Comparisons(expression)), "{}", printed);
    }

    /// The two dialects agree: SQL that is generated for the server is one expression for the SQL scanner as well.
    #[test]
    fn generated_sql_stays_inside_its_parentheses(expression in expressions()) {
        let sql = expression.sql();
        prop_assert!(Condition::parse(&sql, Dialect::Sql).is_ok(), "{}", sql);
    }

    #[test]
    fn parsing_never_panics(text in "[a-zE'\"$()\\[\\];\\\\/*<>=. 0-9\n\u{e9}-]{0,40}") {
        for dialect in [Dialect::Comparisons, Dialect::Sql] {
            drop(Condition::parse(&text, dialect));
        }
    }
}
