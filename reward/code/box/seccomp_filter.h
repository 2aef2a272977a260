#pragma once

#include <string>

namespace cohort::reward::judge {

// The system call filter of every box as a BPF program (struct sock_filter[]). Allows by default;
// refuses with EPERM what widens the kernel's attack surface or holds memory that no limit sees,
// with ENOSYS clone3 (its flags cannot be looked at; libc falls back to clone) and other
// architectures' calls, with EAFNOSUPPORT every socket that is neither Unix nor Internet (the
// network namespace holds those); without a network namespace, `internet` false refuses these too.
// Empty where the kernel has no seccomp filters.
std::string SeccompFilter(bool internet);

}  // namespace cohort::reward::judge
