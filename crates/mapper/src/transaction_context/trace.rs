//! Trace context of W3C: <https://www.w3.org/TR/trace-context/>.
//!
//! A value that does not have the form of the specification is not sent, because a tracer would reject it or misread it.

/// Trace that a transaction belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) parent: Box<str>,
    pub(crate) state: Option<Box<str>>,
}

impl Trace {
    /// Trace with a valid parent; its state is dropped if it is invalid, or empty.
    pub(crate) fn of(parent: Option<String>, state: Option<String>) -> Option<Self> {
        let parent = parent.filter(|parent| is_parent(parent))?;
        let state = state.filter(|state| is_state(state));
        Some(Self {
            parent: parent.into(),
            state: state.map(String::into_boxed_str),
        })
    }
}

/// Version, trace id, parent id and flags, with their delimiters.
const PARENT_BYTES: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;
/// Limit of the number of members of a state.
const MEMBERS_MAX: usize = 32;
/// Limits of the key and of the value of a member.
const MEMBER_BYTES_MAX: usize = 256;

fn is_parent(text: &str) -> bool {
    let Some((known, further)) = text.split_at_checked(PARENT_BYTES) else {
        return false;
    };
    let mut parts = known.split('-');
    let [version, trace, parent, flags] = [(); 4].map(|()| parts.next().unwrap_or_default());
    let is_hexadecimal = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |part: &str, length| is_hexadecimal(part, length) && part.bytes().any(|byte| byte != b'0');
    // A later version may have further parts.
    let may_end = match version {
        "00" => further.is_empty(),
        "ff" => false,
        _ => {
            further.is_empty()
                || further.starts_with('-') && further.bytes().all(|byte| byte.is_ascii_graphic())
        }
    };
    may_end
        && parts.next().is_none()
        && is_hexadecimal(version, 2)
        && is_id(trace, 32)
        && is_id(parent, 16)
        && is_hexadecimal(flags, 2)
}

fn is_state(text: &str) -> bool {
    let members = text.split(',').map(|member| member.trim_matches([' ', '\t']));
    let mut count = 0;
    for member in members.filter(|member| !member.is_empty()) {
        count += 1;
        let is_member = member
            .split_once('=')
            .is_some_and(|(key, value)| is_key(key) && is_value(value));
        if !is_member || count > MEMBERS_MAX {
            return false;
        }
    }
    count > 0
}

fn is_key(text: &str) -> bool {
    let is_rest = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    text.len() <= MEMBER_BYTES_MAX
        && text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && text.bytes().all(is_rest)
}

fn is_value(text: &str) -> bool {
    let is_char = |byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    (1..=MEMBER_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_char) && !text.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::{MEMBERS_MAX, is_parent, is_state};

    #[test]
    fn parents_have_the_form_of_the_specification() {
        for (text, expected) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true),
            // Upper case, and ids of zeros only.
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            // Too short, too long, other delimiters, other lengths.
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", false),
            ("00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902-b7-1", false),
            ("", false),
            ("äääääääääääääääääääääääääääääää", false),
            // Later versions may have more; the version ff is invalid.
            (
                "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
                true,
            ),
            (
                "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01what",
                false,
            ),
            (
                "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-a b",
                false,
            ),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
        ] {
            assert_eq!(is_parent(text), expected, "{text}");
        }
    }

    #[test]
    fn states_have_the_form_of_the_specification() {
        for (text, expected) in [
            ("rojo=00f067aa0ba902b7", true),
            ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true),
            ("fw529a3039@dt=FfAAAH//wA==", false),
            ("fw529a3039@dt=a b , , a=1", true),
            ("1a-2*3/4_5=x", true),
            ("", false),
            (",", false),
            ("a", false),
            ("a=", false),
            ("=a", false),
            ("A=1", false),
            ("a=é", false),
        ] {
            assert_eq!(is_state(text), expected, "{text}");
        }
        let many = |count: usize| vec!["a=1"; count].join(",");
        assert!(is_state(&many(MEMBERS_MAX)) && !is_state(&many(MEMBERS_MAX + 1)));
        let long = |bytes: usize| format!("a={}", "x".repeat(bytes));
        assert!(is_state(&long(256)) && !is_state(&long(257)));
    }
}
