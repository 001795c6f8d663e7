//! Rows that COPY prints.

use walcast_pgoutput::{Column, CopiedRow, CopyDecoder, Tid, Tuple};

/// Decodes the lines of `data`, one after the other.
///
/// # Panics
/// A row, printed as COPY would print it, is another row; or what lies in the buffer from the line before matters.
pub fn check(data: &[u8]) {
    let mut used = CopyDecoder::default();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let mut fresh = CopyDecoder::default();
        match (used.decode(line), fresh.decode(line)) {
            (Ok(row), Ok(same)) => {
                assert_same(&row, &same);
                let printed = print(row.tid, row.values).expect("a copied row has every value");
                let mut again = CopyDecoder::default();
                let again = again
                    .decode(&printed)
                    .unwrap_or_else(|error| panic!("{row:?} was printed as {printed:?}: {error}"));
                assert_same(&row, &again);
            }
            (Err(error), Err(same)) => assert_eq!(error, same),
            (used, fresh) => panic!("{used:?} in a used buffer, {fresh:?} in a fresh one"),
        }
    }
}

fn assert_same(one: &CopiedRow<'_>, other: &CopiedRow<'_>) {
    assert_eq!(one.tid, other.tid);
    assert!(
        one.values.columns().eq(other.values.columns()),
        "{one:?} and {other:?}"
    );
}

/// A row as COPY prints it; `None` for one with values that COPY has no form for. See `CopyAttributeOutText` of the server.
pub(crate) fn print(tid: Tid, values: Tuple<'_>) -> Option<Vec<u8>> {
    let mut line = tid.to_string().into_bytes();
    for column in values.columns() {
        line.push(b'\t');
        match column {
            Column::Text(text) => line.extend(text.iter().flat_map(|byte| escaped(*byte))),
            Column::Null => line.extend(br"\N"),
            // Written by the conversion of rows, and not by COPY.
            Column::Binary(bytes) => {
                line.extend(br"\B");
                line.extend(bytes.iter().flat_map(|byte| escaped(*byte)));
            }
            Column::UnchangedToast => return None,
        }
    }
    line.push(b'\n');
    Some(line)
}

fn escaped(byte: u8) -> Vec<u8> {
    match byte {
        0x08 => br"\b".to_vec(),
        0x0C => br"\f".to_vec(),
        b'\n' => br"\n".to_vec(),
        b'\r' => br"\r".to_vec(),
        b'\t' => br"\t".to_vec(),
        0x0B => br"\v".to_vec(),
        b'\\' => br"\\".to_vec(),
        itself => vec![itself],
    }
}
