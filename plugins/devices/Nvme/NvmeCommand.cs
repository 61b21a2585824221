using System.Runtime.InteropServices;

namespace Vmm.Plugins.Nvme;

/// <summary>A submission queue entry (NVMe 1.4, 4.2).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4, Size = Length)]
internal readonly struct NvmeCommand
{
    public const int Length = 64;

    private readonly uint _dword0;
    public readonly uint NamespaceId;
    private readonly ulong _reserved;
    private readonly ulong _metadata;
    public readonly ulong Prp1;
    public readonly ulong Prp2;
    public readonly uint Dword10;
    public readonly uint Dword11;
    public readonly uint Dword12;
    public readonly uint Dword13;
    public readonly uint Dword14;
    public readonly uint Dword15;

    public byte Opcode => (byte)_dword0;

    public ushort CommandId => (ushort)(_dword0 >> 16);

    /// <summary>Whether it is one of a fused pair, or uses scatter-gather lists: neither is announced.</summary>
    public bool UsesUnsupportedForm => (_dword0 & 0xc300) != 0;

    public static NvmeCommand From(ReadOnlySpan<byte> entry) => MemoryMarshal.Read<NvmeCommand>(entry);

    public void CopyTo(Span<byte> entry) => MemoryMarshal.Write(entry, in this);
}

/// <summary>Opcodes of the admin command set (NVMe 1.4, figure 139).</summary>
internal enum AdminOpcode : byte
{
    DeleteSubmissionQueue = 0x00,
    CreateSubmissionQueue = 0x01,
    GetLogPage = 0x02,
    DeleteCompletionQueue = 0x04,
    CreateCompletionQueue = 0x05,
    Identify = 0x06,
    Abort = 0x08,
    SetFeatures = 0x09,
    GetFeatures = 0x0a,
    AsynchronousEventRequest = 0x0c,
}

/// <summary>Opcodes of the NVM command set (NVMe 1.4, figure 346).</summary>
internal enum IoOpcode : byte
{
    Flush = 0x00,
    Write = 0x01,
    Read = 0x02,
    WriteZeroes = 0x08,
    DatasetManagement = 0x09,
}
