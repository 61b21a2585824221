using System.Buffers.Binary;
using System.Text;
using Vmm.Machine.Boards;

namespace Vmm.Machine.Boot;

/// <summary>The information structure that a Multiboot kernel finds in EBX (Multiboot Specification 0.6.96, 3.3).</summary>
internal static class MultibootInformation
{
    private const uint HasMemory = 1u << 0;
    private const uint HasCommandLine = 1u << 2;
    private const uint HasModules = 1u << 3;
    private const uint HasMemoryMap = 1u << 6;
    private const uint HasLoaderName = 1u << 9;
    private const int Bytes = 116;
    private const int MapEntryBytes = 24;
    private const ulong Page = 4096;
    private static readonly string LoaderName = "vmm";

    /// <summary>Loads the modules above the kernel and writes the structure.</summary>
    public static void Write(BootRequest request, BootMemory guest, ulong kernelEnd)
    {
        Span<byte> info = stackalloc byte[Bytes];
        info.Clear();
        uint modules = WriteModules(request, guest, kernelEnd);
        uint mapBytes = WriteMemoryMap(guest, request.Memory.Map);
        LinuxCommon.WriteCommandLine(request, guest, BootArea.CommandLineBytes - 1);
        ulong loaderName = BootArea.Information + Bytes;
        guest.WriteText("Multiboot loader name", loaderName, LoaderName);

        Put(info, 0, HasMemory | HasCommandLine | HasMemoryMap | HasLoaderName | (modules != 0 ? HasModules : 0));
        Put(info, 4, (uint)(MemoryLayout.VideoWindowStart >> 10));
        Put(info, 8, (uint)((request.Memory.LowMemoryBytes - MemoryLayout.FirmwareAreaEnd) >> 10));
        Put(info, 16, (uint)BootArea.CommandLine);
        Put(info, 20, modules);
        Put(info, 24, modules != 0 ? (uint)BootArea.ModuleList : 0);
        Put(info, 44, mapBytes);
        Put(info, 48, (uint)BootArea.MemoryMap);
        Put(info, 64, (uint)loaderName);
        guest.Write("Multiboot information", BootArea.Information, info);
    }

    /// <summary>Modules stand above the kernel, each on a page boundary as the header's flag 0 may ask.</summary>
    private static uint WriteModules(BootRequest request, BootMemory guest, ulong kernelEnd)
    {
        const int mostModules = (int)(Page / 16);
        if (request.Modules.Count > mostModules)
        {
            throw new MachineException($"{request.Modules.Count} modules; at most {mostModules} are possible.");
        }

        byte[] list = new byte[request.Modules.Count * 16];
        ulong address = Math.Max(kernelEnd, MemoryLayout.FirmwareAreaEnd);
        ulong text = BootArea.ModuleStrings;
        for (int i = 0; i < request.Modules.Count; i++)
        {
            BootFile module = request.Modules[i];
            address = (address + Page - 1) & ~(Page - 1);
            ulong length = (ulong)module.Content.Length;
            if (address + length > request.Memory.LowMemoryBytes)
            {
                throw new MachineException($"{module.Name}: the module has {length:N0} bytes and does not fit into memory above 0x{address:x}; give the machine more (--memory).");
            }

            byte[] name = [.. Encoding.UTF8.GetBytes(module.Name), 0];
            if (text + (ulong)name.Length > BootArea.PageTables)
            {
                throw new MachineException($"{module.Name}: the names of all modules are too long together.");
            }

            guest.Write(module.Name, address, module.Content.Span);
            guest.Write(module.Name, text, name);
            Span<byte> entry = list.AsSpan(i * 16, 16);
            Put(entry, 0, (uint)address);
            Put(entry, 4, (uint)(address + length));
            Put(entry, 8, (uint)text);
            address += length;
            text += (ulong)name.Length;
        }

        guest.Write("Multiboot modules", BootArea.ModuleList, list);
        return (uint)request.Modules.Count;
    }

    private static uint WriteMemoryMap(BootMemory guest, IReadOnlyList<MemoryMapEntry> map)
    {
        byte[] table = new byte[map.Count * MapEntryBytes];
        for (int i = 0; i < map.Count; i++)
        {
            // The size field does not count itself.
            Span<byte> entry = table.AsSpan(i * MapEntryBytes, MapEntryBytes);
            Put(entry, 0, MapEntryBytes - 4);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[4..], map[i].Address);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[12..], map[i].Length);
            Put(entry, 20, (uint)map[i].Type);
        }

        guest.Write("Multiboot memory map", BootArea.MemoryMap, table);
        return (uint)table.Length;
    }

    private static void Put(Span<byte> bytes, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[offset..], value);
}
