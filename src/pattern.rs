//! Glob patterns over keys: `*` stands for any run of characters, `?` for one, `\` takes the next character as it is.
//!
//! Matched greedily with one point of return, in at most (length of key × length of pattern) steps; there is nothing to blow up.

/// Whether `key` matches the whole of `pattern`. Characters are UTF-8's; lone surrogates, three bytes as WTF-8 has them, count as one.
#[must_use]
pub fn matches(pattern: &[u8], key: &[u8]) -> bool {
    let (mut p, mut k) = (0, 0);
    // Behind the last `*` met, and how much of the key it has swallowed so far.
    let mut retry: Option<(usize, usize)> = None;
    while k < key.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, k));
                continue;
            }
            Some(b'?') => {
                p += 1;
                k += character_len(key[k]);
                continue;
            }
            Some(b'\\') if p + 1 < pattern.len() && pattern[p + 1] == key[k] => {
                p += 2;
                k += 1;
                continue;
            }
            Some(&byte) if byte == key[k] && byte != b'\\' => {
                p += 1;
                k += 1;
                continue;
            }
            _ => {}
        }
        let Some((behind, swallowed)) = retry else { return false };
        let swallowed = swallowed + character_len(key[swallowed]);
        retry = Some((behind, swallowed));
        (p, k) = (behind, swallowed);
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// What every matching key begins with.
#[must_use]
pub fn literal_prefix(pattern: &[u8]) -> &[u8] {
    let end = pattern.iter().position(|byte| matches!(byte, b'*' | b'?' | b'\\')).unwrap_or(pattern.len());
    &pattern[..end]
}

fn character_len(first: u8) -> usize {
    match first {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_question_marks_and_escapes() {
        for (pattern, key, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acb", false),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "é", true),
            ("?", "😀", true),
            ("??", "é", false),
            ("?x", "éx", true),
            ("?x", "€x", true),
            ("?x", "😀x", true),
            ("*?x", "€x", true),
            ("*é", "caffé", true),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            (r"\\", r"\", true),
            ("component:*:x", "component:react:x", true),
            ("component:*:x", "component:react:y", false),
            ("*a*a*a", "aaa", true),
            ("*a*a*a", "aa", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), key.as_bytes()), expected, "{pattern} on {key}");
        }
    }

    #[test]
    fn many_stars_do_not_blow_up() {
        let key = [b'a'; 10_000];
        let pattern = "*a".repeat(100) + "b";
        assert!(!matches(pattern.as_bytes(), &key));
    }

    #[test]
    fn literal_prefix_ends_at_the_first_special_character() {
        assert_eq!(literal_prefix(b"a:b:*"), b"a:b:");
        assert_eq!(literal_prefix(br"a\*b"), b"a");
        assert_eq!(literal_prefix(b"plain"), b"plain");
    }
}
