//! Arrays, from the server's [text form][1]: braces, commas, quotes and backslashes.
//!
//! [1]: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO

/// The elements of a one-dimensional array, in order.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    left: &'a [u8],
    delimiter: u8,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An element comes next.
    Element,
    /// The closing brace was read, or the text is no array.
    Done,
}

/// One element, or the reason why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element<'a> {
    /// SQL null.
    Null,
    /// The element's text.
    Plain(&'a [u8]),
    /// The element's text, in which a backslash stands before each character that it protects.
    Escaped(&'a [u8]),
    /// The text is not an array of one dimension.
    Malformed,
}

impl<'a> Elements<'a> {
    /// The elements of `text`; lower bounds (`[5:7]={…}`) are passed over, an Avro array has none.
    pub(super) fn new(text: &'a [u8], delimiter: u8) -> Self {
        let body = match text {
            [b'[', ..] => text
                .iter()
                .position(|byte| *byte == b'=')
                .and_then(|equals| text.get(equals + 1..)),
            text => Some(text),
        };
        let (left, state) = match body.and_then(|body| body.strip_prefix(b"{")) {
            Some(b"}") => (b"".as_slice(), State::Done),
            Some(left) => (left, State::Element),
            // Not even an opening brace: the first element will be found malformed.
            None => (b"".as_slice(), State::Element),
        };
        Self {
            left,
            delimiter,
            state,
        }
    }

    /// How many elements there are; `None` when the text is not an array of one dimension.
    pub(super) fn count(text: &'a [u8], delimiter: u8) -> Option<usize> {
        Self::new(text, delimiter).try_fold(0, |count, element| {
            (element != Element::Malformed).then_some(count + 1)
        })
    }

    fn quoted(&mut self) -> Option<Element<'a>> {
        let mut escapes = false;
        let mut index = 0;
        let length = loop {
            match self.left.get(index)? {
                b'\\' => {
                    escapes = true;
                    index += 2;
                }
                b'"' => break index,
                _ => index += 1,
            }
        };
        let text = self.left.get(..length)?;
        self.left = self.left.get(length + 1..)?;
        Some(if escapes {
            Element::Escaped(text)
        } else {
            Element::Plain(text)
        })
    }

    fn unquoted(&mut self) -> Option<Element<'a>> {
        let length = self
            .left
            .iter()
            .position(|byte| *byte == self.delimiter || *byte == b'}')?;
        let (text, rest) = self.left.split_at(length);
        // The server quotes an element that holds any of these; an opening brace is a further dimension.
        if text.is_empty() || text.iter().any(|byte| matches!(byte, b'{' | b'"' | b'\\')) {
            return None;
        }
        self.left = rest;
        Some(if text == b"NULL" {
            Element::Null
        } else {
            Element::Plain(text)
        })
    }

    fn read(&mut self) -> Option<Element<'a>> {
        let element = match self.left {
            [b'"', rest @ ..] => {
                self.left = rest;
                self.quoted()?
            }
            _ => self.unquoted()?,
        };
        match self.left {
            [next, rest @ ..] if *next == self.delimiter => self.left = rest,
            b"}" => self.state = State::Done,
            _ => return None,
        }
        Some(element)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        if self.state == State::Done {
            return None;
        }
        let element = self.read();
        if element.is_none() {
            self.state = State::Done;
        }
        Some(element.unwrap_or(Element::Malformed))
    }
}

/// The text that `escaped` stands for.
pub(super) fn unescape(escaped: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        let byte = if *byte == b'\\' {
            bytes.next().unwrap_or(byte)
        } else {
            byte
        };
        out.push(*byte);
    }
}
