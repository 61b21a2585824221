using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Instructions.System;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Vmx;

/// <summary>The MSR areas of a VMCS: lists of 16-byte entries (SDM Vol. 3C 25.7.2, 25.8.2, 27.4, 28.4, 28.6).</summary>
internal static unsafe class MsrAreas
{
    /// <summary>Loads an area. Number of the first entry that cannot be loaded, from 1; 0: all were.</summary>
    public static uint Load(CpuState* s, Vmcs vmcs, VmcsField countField, VmcsField addressField, HostPhysicalMemory memory)
    {
        ulong address = vmcs[addressField];
        uint count = (uint)vmcs[countField];
        for (uint n = 0; n < count; n++)
        {
            if (!memory.TryResolve(address + (n * 16), out byte* entry) || !IsLoadable(entry)
                || MsrFile.Write(s, *(uint*)entry, *(ulong*)(entry + 8)) != Outcome.Next)
            {
                return n + 1;
            }
        }

        return 0;
    }

    /// <summary>VM-exit MSR store. False: an entry cannot be stored, a VMX abort.</summary>
    public static bool Store(CpuState* s, Vmcs vmcs, HostPhysicalMemory memory)
    {
        ulong address = vmcs[VmcsField.ExitMsrStoreAddress];
        uint count = (uint)vmcs[VmcsField.ExitMsrStoreCount];
        for (uint n = 0; n < count; n++)
        {
            if (!memory.TryResolve(address + (n * 16), out byte* entry) || *(uint*)(entry + 4) != 0
                || !MsrFile.TryRead(s, *(uint*)entry, out ulong value))
            {
                return false;
            }

            *(ulong*)(entry + 8) = value;
        }

        return true;
    }

    // FS and GS base come from the guest-state area; x2APIC registers and reserved bits are refused (27.4, 28.6).
    private static bool IsLoadable(byte* entry) =>
        *(uint*)(entry + 4) == 0 && *(uint*)entry is not (Msr.Ia32FsBase or Msr.Ia32GsBase) && *(uint*)entry >> 8 != 8;
}
