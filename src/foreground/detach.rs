//! The keys that let a person leave a container without ending it.

/// Looks for the keys in what is typed.
#[derive(Debug)]
pub struct Detach {
    keys: Vec<u8>,
    /// How many of them have been typed in a row.
    matched: usize,
}

impl Detach {
    /// Without keys, nobody leaves that way.
    pub fn new(keys: &[u8]) -> Self {
        Self {
            keys: keys.to_vec(),
            matched: 0,
        }
    }

    /// What of `typed` is for the program, and whether the person leaves. The
    /// first keys are held back until it is clear that they are not meant.
    pub fn filter(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(typed.len());
        for byte in typed {
            loop {
                if self.keys.get(self.matched) == Some(byte) {
                    self.matched += 1;
                    if self.matched == self.keys.len() {
                        self.matched = 0;
                        return (out, true);
                    }
                    break;
                }
                if self.matched == 0 {
                    out.push(*byte);
                    break;
                }
                // Not meant after all: the first held byte goes on, and the
                // rest may still begin the keys anew.
                let held = self.keys[..self.matched].to_vec();
                let keep = (1..held.len())
                    .map(|from| &held[from..])
                    .find(|rest| self.keys.starts_with(rest))
                    .map_or(0, <[u8]>::len);
                out.extend(&held[..held.len() - keep]);
                self.matched = keep;
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: &[u8] = &[16, 17];

    #[test]
    fn the_keys_leave_and_are_not_passed_on() {
        let mut d = Detach::new(KEYS);
        assert_eq!(d.filter(b"ls\n\x10\x11"), (b"ls\n".to_vec(), true));
    }

    #[test]
    fn keys_may_come_one_by_one() {
        let mut d = Detach::new(KEYS);
        assert_eq!(d.filter(&[16]), (vec![], false));
        assert_eq!(d.filter(&[17]), (vec![], true));
    }

    #[test]
    fn a_beginning_that_was_not_meant_is_passed_on() {
        let mut d = Detach::new(KEYS);
        assert_eq!(d.filter(&[16]), (vec![], false));
        assert_eq!(d.filter(b"x"), (vec![16, b'x'], false));
        assert_eq!(d.filter(&[16, 16, 17]), (vec![16], true));
    }

    #[test]
    fn without_keys_everything_is_passed_on() {
        assert_eq!(Detach::new(&[]).filter(&[16, 17]), (vec![16, 17], false));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made_up(typed in proptest::collection::vec(0..3u8, 0..40), keys in proptest::collection::vec(0..3u8, 1..4)) {
            let mut d = Detach::new(&keys);
            let mut out = Vec::new();
            let mut seen = 0;
            let mut left = false;
            for byte in &typed {
                let (passed, leaves) = d.filter(&[*byte]);
                out.extend(passed);
                seen += 1;
                if leaves { left = true; break; }
            }
            let held = d.matched;
            let expected = if left { seen - keys.len() } else { seen - held };
            prop_assert_eq!(&out[..], &typed[..expected]);
            let contained = typed.windows(keys.len()).any(|w| w == keys);
            prop_assert_eq!(left, contained);
        }
    }
}
