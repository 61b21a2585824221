using System.Runtime.InteropServices;

namespace Vmm.Engine.Kvm.Interop;

/// <summary><c>struct kvm_run</c>, the page that a virtual processor shares with KVM.</summary>
[StructLayout(LayoutKind.Explicit, Size = 2352)]
internal unsafe struct KvmRun
{
    /// <summary>Bit of <see cref="ValidRegisters"/> and <see cref="DirtyRegisters"/>: <see cref="Registers"/>.</summary>
    public const ulong SyncRegisters = 1;

    [FieldOffset(0)] public byte RequestInterruptWindow;
    [FieldOffset(1)] public byte ImmediateExit;
    [FieldOffset(8)] public KvmExitReason ExitReason;
    [FieldOffset(12)] public byte ReadyForInterruptInjection;
    [FieldOffset(13)] public byte InterruptFlag;
    [FieldOffset(16)] public ulong Cr8;
    [FieldOffset(24)] public ulong ApicBase;

    [FieldOffset(32)] public IoExit Io;
    [FieldOffset(32)] public MmioExit Mmio;
    [FieldOffset(32)] public MsrExit Msr;
    [FieldOffset(32)] public DebugExit Debug;
    [FieldOffset(32)] public InternalErrorExit InternalError;
    [FieldOffset(32)] public ulong HardwareReason;
    [FieldOffset(32)] public byte EoiVector;

    [FieldOffset(288)] public ulong ValidRegisters;
    [FieldOffset(296)] public ulong DirtyRegisters;
    [FieldOffset(304)] public KvmRegisters Registers;

    /// <summary>KVM_EXIT_IO; the data is <see cref="DataOffset"/> bytes behind the start of the page.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct IoExit
    {
        public byte IsOut;
        public byte Size;
        public ushort Port;
        public uint Count;
        public ulong DataOffset;
    }

    /// <summary>KVM_EXIT_MMIO.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct MmioExit
    {
        public ulong PhysicalAddress;
        public fixed byte Data[8];
        public uint Length;
        public byte IsWrite;
    }

    /// <summary>KVM_EXIT_X86_RDMSR and KVM_EXIT_X86_WRMSR.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct MsrExit
    {
        public byte Error;
        private fixed byte _padding[7];
        public uint Reason;
        public uint Index;
        public ulong Data;
    }

    /// <summary>KVM_EXIT_DEBUG.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct DebugExit
    {
        public uint Exception;
        private uint _padding;
        public ulong Pc;
        public ulong Dr6;
        public ulong Dr7;
    }

    /// <summary>KVM_EXIT_INTERNAL_ERROR; suberror 1 is an instruction that KVM could not emulate.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct InternalErrorExit
    {
        public const uint Emulation = 1;

        public uint Suberror;
        public uint DataCount;
        public fixed ulong Data[16];
    }
}
