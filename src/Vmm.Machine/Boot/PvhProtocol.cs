using System.Buffers.Binary;
using Vmm.Machine.Boards;
using Vmm.Vmx;

namespace Vmm.Machine.Boot;

/// <summary>
/// PVH: an ELF kernel with a note that names a 32-bit entry point, started with hvm_start_info in EBX
/// (Xen public interface, xen/include/public/arch-x86/hvm/start_info.h).
/// </summary>
public sealed class PvhProtocol : IBootProtocol
{
    /// <summary>XEN_ELFNOTE_PHYS32_ENTRY.</summary>
    private const uint EntryNote = 18;

    private const uint Magic = 0x336E_C578;
    private const int StartInfoBytes = 56;
    private const int EntryBytes = 24;

    public string Name => "PVH";

    public bool Accepts(BootFile kernel, BootEntry entry) =>
        entry is BootEntry.Auto or BootEntry.Pvh
        && (ElfImage.IsPresent(kernel.Content.Span, is64Bit: true) || ElfImage.IsPresent(kernel.Content.Span, is64Bit: false))
        && HasEntryNote(kernel);

    public ProcessorState Load(BootRequest request, IGuestMemory memory)
    {
        ElfImage elf = ElfImage.Read(request.Kernel);
        if (!TryFindEntry(elf, out uint entry))
        {
            throw new MachineException($"{request.Kernel.Name}: damaged: the note with the PVH entry point is too short.");
        }

        BootMemory guest = new(memory);
        elf.Load(request, guest);
        LinuxCommon.WriteCommandLine(request, guest, BootArea.CommandLineBytes - 1);
        (ulong diskAddress, ulong diskLength) = LinuxCommon.WriteRamdisk(request, guest, elf.End, uint.MaxValue);
        if (diskLength != 0)
        {
            guest.WriteWords("PVH modules", BootArea.ModuleList, diskAddress, diskLength, 0, 0);
        }

        WriteMemoryMap(guest, request.Memory.Map);
        WriteStartInfo(guest, request, diskLength != 0 ? 1u : 0);

        ProcessorState state = StartState.Protected(guest, entry);
        state.Registers.Rbx = BootArea.Information;
        return state;
    }

    private static bool HasEntryNote(BootFile kernel)
    {
        try
        {
            return TryFindEntry(ElfImage.Read(kernel), out _);
        }
        catch (MachineException)
        {
            return false;
        }
    }

    private static bool TryFindEntry(ElfImage elf, out uint entry)
    {
        entry = 0;
        if (!elf.TryFindNote("Xen"u8, EntryNote, out ReadOnlySpan<byte> description) || description.Length < 4)
        {
            return false;
        }

        entry = BinaryPrimitives.ReadUInt32LittleEndian(description);
        return true;
    }

    private static void WriteMemoryMap(BootMemory guest, IReadOnlyList<MemoryMapEntry> map)
    {
        byte[] table = new byte[map.Count * EntryBytes];
        for (int i = 0; i < map.Count; i++)
        {
            Span<byte> entry = table.AsSpan(i * EntryBytes, EntryBytes);
            BinaryPrimitives.WriteUInt64LittleEndian(entry, map[i].Address);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], map[i].Length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], (uint)map[i].Type);
        }

        guest.Write("PVH memory map", BootArea.MemoryMap, table);
    }

    private static void WriteStartInfo(BootMemory guest, BootRequest request, uint modules)
    {
        Span<byte> info = stackalloc byte[StartInfoBytes];
        info.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(info, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(info[4..], 1); // version 1: with a memory map
        BinaryPrimitives.WriteUInt32LittleEndian(info[12..], modules);
        BinaryPrimitives.WriteUInt64LittleEndian(info[16..], modules == 0 ? 0 : BootArea.ModuleList);
        BinaryPrimitives.WriteUInt64LittleEndian(info[24..], BootArea.CommandLine);
        BinaryPrimitives.WriteUInt64LittleEndian(info[32..], request.RootPointer);
        BinaryPrimitives.WriteUInt64LittleEndian(info[40..], BootArea.MemoryMap);
        BinaryPrimitives.WriteUInt32LittleEndian(info[48..], (uint)request.Memory.Map.Count);
        guest.Write("PVH start information", BootArea.Information, info);
    }
}
