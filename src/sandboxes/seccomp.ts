// A processor's name -> bubblewrap's seccomp filter, which refuses most system calls.

/** AUDIT_ARCH_* of linux/audit.h, and the numbers of the calls in NAMES' order. */
const MACHINES: Readonly<
  Record<string, { readonly audit: number; readonly clone: number; readonly calls: readonly number[] }>
> = {
  // ptrace process_vm_readv process_vm_writev mount umount2 pivot_root chroot unshare setns bpf perf_event_open userfaultfd keyctl add_key
  // request_key kexec_load kexec_file_load init_module finit_module delete_module name_to_handle_at open_by_handle_at socket memfd_create
  // vmsplice personality syslog acct swapon reboot quotactl clock_settime settimeofday, fork and vfork where they are
  x64: {
    audit: 0xc000003e,
    clone: 56,
    calls: [
      101, 310, 311, 165, 166, 155, 161, 272, 308, 321, 298, 323, 250, 248, 249, 246, 320, 175, 313, 176, 303, 304, 41,
      319, 278, 135, 103, 163, 167, 169, 179, 227, 164, 57, 58,
    ],
  },
  arm64: {
    audit: 0xc00000b7,
    clone: 220,
    calls: [
      117, 270, 271, 40, 39, 41, 51, 97, 268, 280, 241, 282, 219, 217, 218, 104, 294, 105, 273, 106, 264, 265, 198, 279,
      75, 92, 116, 89, 224, 142, 60, 112, 170,
    ],
  },
};

/** Numbered alike everywhere: io_uring, the new mount calls, pidfd_getfd, mount_setattr. */
const ALIKE = [425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442];

const CLONE3 = 435;
const CLONE_THREAD = 0x10000;
const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const AT_LEAST = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const HAS_BIT = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K
/** Offsets in struct seccomp_data. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const FIRST_ARGUMENT = 16;
/** From here on, x86-64 takes calls of its x32 variant: the same calls by other numbers. */
const X32 = 0x40000000;
/** The ends of the filter, in order: allowed, EPERM, ENOSYS (C libraries then use clone), killed. */
const ENDS = { allow: 0x7fff0000, refuse: 0x00050001, unknown: 0x00050026, kill: 0x80000000 };
type End = keyof typeof ENDS;

interface Instruction {
  readonly code: number;
  readonly value: number;
  readonly yes?: End;
  readonly no?: End;
}

/** The filter as an array of struct sock_filter; null for processors without a table. Threads are allowed, processes are not. */
export function seccompFilter(machine: string = process.arch): Buffer | null {
  const table = MACHINES[machine];
  if (!table) return null;
  const refused = [...table.calls, ...ALIKE];
  const steps: readonly Instruction[] = [
    { code: LOAD, value: ARCHITECTURE },
    { code: EQUAL, value: table.audit, no: 'kill' },
    { code: LOAD, value: NUMBER },
    { code: AT_LEAST, value: X32, yes: 'refuse' },
    ...refused.map((value): Instruction => ({ code: EQUAL, value, yes: 'refuse' })),
    { code: EQUAL, value: CLONE3, yes: 'unknown' },
    { code: EQUAL, value: table.clone, no: 'allow' },
    { code: LOAD, value: FIRST_ARGUMENT },
    { code: HAS_BIT, value: CLONE_THREAD, yes: 'allow', no: 'refuse' },
    ...Object.values(ENDS).map((value): Instruction => ({ code: RETURN, value })),
  ];
  const names = Object.keys(ENDS) as End[];
  const filter = Buffer.alloc(8 * steps.length);
  for (const [index, { code, value, yes, no }] of steps.entries()) {
    const jump = (end: End | undefined) => (end ? steps.length - names.length + names.indexOf(end) - index - 1 : 0);
    filter.writeUInt16LE(code, 8 * index);
    filter.writeUInt8(jump(yes), 8 * index + 2);
    filter.writeUInt8(jump(no), 8 * index + 3);
    filter.writeUInt32LE(value, 8 * index + 4);
  }
  return filter;
}
