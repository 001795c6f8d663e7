use super::{parse, with};

#[test]
fn no_secret_shows_in_debug_output() {
    let text = with(
        "kafka.properties",
        "\"sasl.password\" = \"hunter2\"\n[admin]\ntoken = \"hunter2\"\n[[columns.hash]]\ncolumns = [\"a.b.c\"]\n\
         algorithm = \"md5\"\nsalt = \"hunter2\"\n[snapshot]\nurl = \"postgres://u:hunter2@b/d\"",
    );
    let text = text.replace("walcast@db", "walcast:hunter2@db").replace(
        "[registry]\n",
        "[registry]\nusername = \"u\"\npassword = \"hunter2\"\n",
    );
    let config = parse(&text).unwrap();
    let shown = format!("{config:?}");
    assert!(
        shown.contains("columns.hash[0].salt") && !shown.contains("hunter2"),
        "{shown}"
    );
}
