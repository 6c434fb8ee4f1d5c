//! The architectures a filter can speak about, and how the kernel names them.
//!
//! A seccomp filter sees the number of a system call and the ABI it came in
//! by. One machine has several ABIs: a 64-bit x86 kernel also runs 32-bit
//! programs and, where it was built so, x32 ones, and each counts its calls
//! differently. Nothing here knows about rules.

use oci_spec::runtime::Arch as OciArch;

use crate::error::{Error, Result};

/// The bit that tells an x32 call from an x86-64 one; both report
/// `AUDIT_ARCH_X86_64`.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// An ABI that system calls can come in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit programs on x86.
    X86_64,
    /// Programs with 32-bit pointers and 64-bit registers on x86.
    X32,
    /// 32-bit programs on x86.
    X86,
    /// 64-bit programs on ARM.
    Aarch64,
    /// 32-bit programs on ARM.
    Arm,
}

/// How many [`Arch`] there are.
pub(super) const ARCHES: usize = 5;

impl Arch {
    /// The ABI that this program itself was compiled for.
    pub fn native() -> Result<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self::X86_64),
            "x86" => Ok(Self::X86),
            "aarch64" => Ok(Self::Aarch64),
            "arm" => Ok(Self::Arm),
            other => Err(Error::environment(format!(
                "seccomp filters are not known for {other}"
            ))),
        }
    }

    /// The architecture that runtime-spec means; `None` where it belongs to a
    /// kind of machine for which no calls are known here.
    pub(super) fn from_oci(arch: OciArch, native: Self) -> Option<Self> {
        match arch {
            OciArch::ScmpArchNative => Some(native),
            OciArch::ScmpArchX86_64 => Some(Self::X86_64),
            OciArch::ScmpArchX32 => Some(Self::X32),
            OciArch::ScmpArchX86 => Some(Self::X86),
            OciArch::ScmpArchAarch64 => Some(Self::Aarch64),
            OciArch::ScmpArchArm => Some(Self::Arm),
            _ => None,
        }
    }

    /// What `seccomp_data.arch` holds, from `linux/audit.h`.
    pub(super) fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xC000_003E,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xC000_00B7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Whether one kernel can run programs of both.
    pub(super) fn same_machine(self, other: Self) -> bool {
        self.is_x86() == other.is_x86()
    }

    fn is_x86(self) -> bool {
        matches!(self, Self::X86_64 | Self::X32 | Self::X86)
    }

    /// Whether arguments arrive in 32-bit registers. An x32 program has
    /// 64-bit ones.
    pub(super) fn has_32_bit_registers(self) -> bool {
        matches!(self, Self::X86 | Self::Arm)
    }

    /// What is added to a number of the call table.
    pub(super) fn number_base(self) -> u32 {
        if self == Self::X32 { X32_BIT } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x32_and_x86_64_differ_in_the_number_only() {
        assert_eq!(Arch::X32.audit(), Arch::X86_64.audit());
        assert_ne!(Arch::X32.number_base(), Arch::X86_64.number_base());
        assert_ne!(Arch::X86.audit(), Arch::X86_64.audit());
        assert_ne!(Arch::Arm.audit(), Arch::Aarch64.audit());
    }

    #[test]
    fn native_in_a_profile_means_the_machine_it_runs_on() {
        let native = Arch::Aarch64;
        let got = Arch::from_oci(OciArch::ScmpArchNative, native);
        assert_eq!(got, Some(native));
        assert_eq!(Arch::from_oci(OciArch::ScmpArchS390x, native), None);
    }
}
