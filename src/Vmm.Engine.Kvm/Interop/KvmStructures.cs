using System.Runtime.InteropServices;

namespace Vmm.Engine.Kvm.Interop;

/// <summary><c>struct kvm_regs</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmRegisters
{
    public ulong Rax, Rbx, Rcx, Rdx, Rsi, Rdi, Rsp, Rbp;
    public ulong R8, R9, R10, R11, R12, R13, R14, R15;
    public ulong Rip, Rflags;
}

/// <summary><c>struct kvm_segment</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmSegment
{
    public ulong Base;
    public uint Limit;
    public ushort Selector;
    public byte Type, Present, Dpl, Db, S, L, G, Avl, Unusable;
    private byte _padding;
}

/// <summary><c>struct kvm_dtable</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmDescriptorTable
{
    public ulong Base;
    public ushort Limit;
    private ushort _padding0, _padding1, _padding2;
}

/// <summary><c>struct kvm_sregs2</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmSpecialRegisters
{
    /// <summary>Bit of <see cref="Flags"/>: the PDPTEs are valid.</summary>
    public const ulong PdptrsValid = 1;

    public KvmSegment Cs, Ds, Es, Fs, Gs, Ss, Tr, Ldt;
    public KvmDescriptorTable Gdt, Idt;
    public ulong Cr0, Cr2, Cr3, Cr4, Cr8, Efer, ApicBase, Flags;
    public fixed ulong Pdptrs[4];
}

/// <summary><c>struct kvm_vcpu_events</c>.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct KvmVcpuEvents
{
    public const byte ShadowMovSs = 1, ShadowSti = 2;
    public const uint ValidNmiPending = 1, ValidShadow = 4;

    public byte ExceptionInjected, ExceptionVector, ExceptionHasErrorCode, ExceptionPending;
    public uint ExceptionErrorCode;
    public byte InterruptInjected, InterruptVector, InterruptSoft, InterruptShadow;
    public byte NmiInjected, NmiPending, NmiMasked, NmiPadding;
    public uint SipiVector;
    public uint Flags;
    public byte InSmm, SmiPending, SmmInsideNmi, LatchedInit;
    public byte TripleFaultPending;
}

/// <summary><c>struct kvm_debugregs</c>.</summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
internal unsafe struct KvmDebugRegisters
{
    public fixed ulong Db[4];
    public ulong Dr6, Dr7, Flags;
}

/// <summary><c>struct kvm_xcrs</c> with the one register there is, XCR0.</summary>
[StructLayout(LayoutKind.Sequential, Size = 392)]
internal struct KvmXcrs
{
    public uint Count, Flags;
    public uint Index, Reserved;
    public ulong Value;
}

/// <summary><c>struct kvm_msrs</c> with one entry.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMsr
{
    public uint Count, Padding;
    public uint Index, Reserved;
    public ulong Value;
}

/// <summary><c>struct kvm_device_attr</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmDeviceAttribute
{
    public uint Flags, Group;
    public ulong Attribute;
    public nint Address;
}

/// <summary><c>struct kvm_cpuid_entry2</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmCpuidEntry
{
    /// <summary>ECX counts for the leaf.</summary>
    public const uint SignificantIndex = 1;

    public uint Function, Index, Flags;
    public uint Eax, Ebx, Ecx, Edx;
    private uint _padding0, _padding1, _padding2;
}

/// <summary><c>struct kvm_userspace_memory_region</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMemoryRegion
{
    public const uint LogDirtyPages = 1, ReadOnly = 2;

    public uint Slot, Flags;
    public ulong GuestPhysicalAddress, Length, HostAddress;
}

/// <summary><c>struct kvm_dirty_log</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmDirtyLog
{
    public uint Slot, Padding;
    public nint Bitmap;
}

/// <summary><c>struct kvm_enable_cap</c>.</summary>
[StructLayout(LayoutKind.Sequential, Size = 104)]
internal struct KvmEnableCapability
{
    public uint Capability, Flags;
    public ulong Argument;
}

/// <summary><c>struct kvm_msr_filter_range</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMsrFilterRange
{
    public const uint Read = 1, Write = 2;

    public uint Flags, Count, First;
    public nint Bitmap;
}

/// <summary><c>struct kvm_msr_filter</c>: 16 ranges.</summary>
[StructLayout(LayoutKind.Sequential, Size = 392)]
internal struct KvmMsrFilter
{
    public const uint DefaultDeny = 1;

    public uint Flags;
    public KvmMsrFilterRange Range0, Range1, Range2, Range3;
}

/// <summary><c>struct kvm_guest_debug</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct KvmGuestDebug
{
    public const uint Enable = 1, SingleStep = 2, SoftwareBreakpoints = 0x1_0000, HardwareBreakpoints = 0x2_0000;

    public uint Control, Padding;
    public ulong Dr0, Dr1, Dr2, Dr3, Dr4, Dr5, Dr6, Dr7;
}

/// <summary><c>struct kvm_translation</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmTranslation
{
    public ulong LinearAddress, PhysicalAddress;
    public byte Valid, Writable, UserMode;
    private byte _padding0, _padding1, _padding2, _padding3, _padding4;
}

/// <summary><c>struct kvm_lapic_state</c>: the registers as they stand in the xAPIC page.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmLapicState
{
    public fixed uint Registers[256];
}

/// <summary><c>struct kvm_mp_state</c>.</summary>
internal enum KvmMpState : uint
{
    Runnable = 0,
    Uninitialized = 1,
    InitReceived = 2,
    Halted = 3,
    SipiReceived = 4,
}

/// <summary><c>struct kvm_msi</c>.</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal struct KvmMsi
{
    public uint AddressLow, AddressHigh, Data, Flags;
}

/// <summary><c>struct kvm_irqfd</c>.</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal struct KvmIrqfd
{
    public const uint Deassign = 1;

    public int Descriptor;
    public uint Gsi, Flags;
}

/// <summary><c>struct kvm_ioeventfd</c>.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct KvmIoeventfd
{
    public const uint Deassign = 4;

    public ulong DataMatch, Address;
    public uint Length;
    public int Descriptor;
    public uint Flags;
}

/// <summary><c>struct kvm_irq_routing_entry</c> of type MSI.</summary>
[StructLayout(LayoutKind.Sequential, Size = 48)]
internal struct KvmMsiRoute
{
    public const uint MsiType = 2;

    public uint Gsi, Type, Flags, Padding;
    public uint AddressLow, AddressHigh, Data;
}
