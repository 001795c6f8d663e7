//! Offset file of a standalone Connect worker: a Java-serialized `HashMap<byte[], byte[]>`.
//!
//! No other class is accepted, no object is instantiated, and every length is checked against the remaining bytes.
//! See <https://docs.oracle.com/javase/8/docs/platform/serialization/spec/protocol.html>.

/// Error: the file is not an offset file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an offset file of a standalone Connect worker: expected {wanted} at byte {at}")]
pub(crate) struct JavaError {
    /// Offset of the error in bytes.
    at: usize,
    /// Expected element.
    wanted: &'static str,
}

const MAGIC_AND_VERSION: u32 = 0xaced_0005;
const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS_DESCRIPTION: u8 = 0x72;
const OBJECT: u8 = 0x73;
const ARRAY: u8 = 0x75;
const BLOCK_DATA: u8 = 0x77;
const END_BLOCK_DATA: u8 = 0x78;
/// Handle of the first object in the stream.
const FIRST_HANDLE: u32 = 0x007e_0000;

/// Entry of the map; a key without a value was removed.
pub(crate) type Entry = (Vec<u8>, Option<Vec<u8>>);

/// Reads the entries of the map.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Entry>, JavaError> {
    let mut reader = Reader {
        bytes,
        at: 0,
        seen: Vec::new(),
    };
    if reader.u32("a serialized Java object")? != MAGIC_AND_VERSION {
        return Err(JavaError {
            at: 0,
            wanted: "a serialized Java object",
        });
    }
    reader.tag(OBJECT, "a map")?;
    if !matches!(reader.class()?, Seen::MapClass) {
        return Err(reader.wanted("a java.util.HashMap"));
    }
    reader.seen.push(Seen::Map);
    // Load factor and threshold.
    reader.take(8, "the map's fields")?;
    reader.tag(BLOCK_DATA, "the map's size")?;
    reader.tag(8, "the map's size")?;
    reader.take(4, "the map's capacity")?;
    let size = reader.u32("the map's size")?;
    let mut entries = Vec::new();
    for _ in 0..size {
        let key = reader.byte_array()?.ok_or_else(|| reader.wanted("a key"))?;
        entries.push((key, reader.byte_array()?));
    }
    reader.tag(END_BLOCK_DATA, "the end of the map")?;
    Ok(entries)
}

/// Object that later references can name by its handle.
#[derive(Clone, Debug)]
enum Seen {
    MapClass,
    BytesClass,
    Map,
    Bytes(Vec<u8>),
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    seen: Vec<Seen>,
}

impl<'b> Reader<'b> {
    fn wanted(&self, wanted: &'static str) -> JavaError {
        JavaError { at: self.at, wanted }
    }

    fn take(&mut self, length: usize, wanted: &'static str) -> Result<&'b [u8], JavaError> {
        let end = self.at.checked_add(length);
        let taken = end
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or_else(|| self.wanted(wanted))?;
        self.at += length;
        Ok(taken)
    }

    fn u8(&mut self, wanted: &'static str) -> Result<u8, JavaError> {
        self.take(1, wanted)?
            .first()
            .copied()
            .ok_or_else(|| self.wanted(wanted))
    }

    fn u16(&mut self, wanted: &'static str) -> Result<u16, JavaError> {
        let bytes = self
            .take(2, wanted)?
            .try_into()
            .map_err(|_| self.wanted(wanted))?;
        Ok(u16::from_be_bytes(bytes))
    }

    fn u32(&mut self, wanted: &'static str) -> Result<u32, JavaError> {
        let bytes = self
            .take(4, wanted)?
            .try_into()
            .map_err(|_| self.wanted(wanted))?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn tag(&mut self, tag: u8, wanted: &'static str) -> Result<(), JavaError> {
        let at = self.at;
        if self.u8(wanted)? == tag {
            Ok(())
        } else {
            Err(JavaError { at, wanted })
        }
    }

    fn text(&mut self, wanted: &'static str) -> Result<&'b [u8], JavaError> {
        let length = self.u16(wanted)?;
        self.take(usize::from(length), wanted)
    }

    fn referred(&mut self) -> Result<Seen, JavaError> {
        let at = self.at;
        let handle = self.u32("a reference")?.checked_sub(FIRST_HANDLE);
        let seen = handle
            .and_then(|number| self.seen.get(usize::try_from(number).ok()?))
            .cloned();
        seen.ok_or(JavaError {
            at,
            wanted: "a reference to an earlier object",
        })
    }

    /// Reads a class description, or a reference to an earlier one.
    fn class(&mut self) -> Result<Seen, JavaError> {
        match self.u8("a class")? {
            REFERENCE => self.referred(),
            CLASS_DESCRIPTION => {
                let class = match self.text("a class's name")? {
                    b"java.util.HashMap" => Seen::MapClass,
                    b"[B" => Seen::BytesClass,
                    _ => return Err(self.wanted("a HashMap of byte arrays")),
                };
                self.seen.push(class.clone());
                self.take(8, "a class's version")?;
                self.u8("a class's flags")?;
                let fields = self.u16("a class's fields")?;
                for _ in 0..fields {
                    let kind = self.u8("a field's type")?;
                    if [b'L', b'['].contains(&kind) {
                        return Err(self.wanted("a primitive field"));
                    }
                    self.text("a field's name")?;
                }
                self.tag(END_BLOCK_DATA, "the end of a class")?;
                self.tag(NULL, "a class without parent")?;
                Ok(class)
            }
            _ => Err(self.wanted("a class")),
        }
    }

    fn byte_array(&mut self) -> Result<Option<Vec<u8>>, JavaError> {
        match self.u8("a byte array")? {
            NULL => Ok(None),
            REFERENCE => match self.referred()? {
                Seen::Bytes(bytes) => Ok(Some(bytes)),
                Seen::MapClass | Seen::BytesClass | Seen::Map => Err(self.wanted("a byte array")),
            },
            ARRAY => {
                if !matches!(self.class()?, Seen::BytesClass) {
                    return Err(self.wanted("a byte array"));
                }
                let length = self.u32("an array's length")?;
                let length = usize::try_from(length).map_err(|_| self.wanted("an array's length"))?;
                let bytes = self.take(length, "an array's bytes")?.to_vec();
                self.seen.push(Seen::Bytes(bytes.clone()));
                Ok(Some(bytes))
            }
            _ => Err(self.wanted("a byte array")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::read;

    /// File of a Connect worker 4.1 with two connectors.
    const WRITTEN_BY_CONNECT: &[u8] = include_bytes!("../../testdata/connect-4.1-offsets");

    #[test]
    fn reads_an_offset_file() {
        let entries = read(WRITTEN_BY_CONNECT).unwrap();
        let keys: Vec<String> = entries
            .iter()
            .map(|(key, _)| String::from_utf8(key.clone()).unwrap())
            .collect();
        assert!(
            keys.contains(&r#"["one",{"server":"one"}]"#.to_owned()),
            "{keys:?}"
        );
        for (_, value) in entries {
            let value: serde_json::Value = serde_json::from_slice(&value.unwrap()).unwrap();
            assert!(value["lsn"].is_u64(), "{value}");
        }
    }

    #[test]
    fn a_truncated_file_is_rejected() {
        for length in 0..WRITTEN_BY_CONNECT.len() {
            assert!(read(&WRITTEN_BY_CONNECT[..length]).is_err(), "{length} bytes");
        }
        assert_eq!(
            read(b"{}").unwrap_err().to_string(),
            "not an offset file of a standalone Connect worker: expected a serialized Java object at byte 0"
        );
    }

    proptest! {
        #[test]
        fn never_panics(at in 0..WRITTEN_BY_CONNECT.len(), byte in any::<u8>(), cut in 0..64_usize) {
            let mut bytes = WRITTEN_BY_CONNECT.to_vec();
            bytes[at] = byte;
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            drop(read(&bytes));
        }
    }
}
