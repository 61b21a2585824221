using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Execute;

/// <summary>
/// The current stack for instructions that push or pop single values. In 64-bit mode it is flat; elsewhere SS gives
/// base, limit and the size of the stack pointer. False: return <see cref="SlowAccess.Failure"/>; RSP is unchanged.
/// </summary>
internal static unsafe class Stack
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Push<T>(CpuState* s, Instruction* i, ulong value) where T : unmanaged
    {
        if ((i->Flags & InstructionFlags.Code64) == 0)
        {
            return PushLegacy<T>(s, value);
        }

        ulong pointer = s->Gpr.Rsp - (ulong)sizeof(T);
        byte* host = LinearMemory.WritePointer<T>(s, pointer);
        if (host != null)
        {
            Width.Write<T>(host, value);
        }
        else if (!SlowAccess.StoreStack(s, pointer, Width.Narrow<T>(value)))
        {
            return false;
        }

        s->Gpr.Rsp = pointer;
        return true;
    }

    /// <summary>Reads at a distance from the top without popping.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Peek<T>(CpuState* s, Instruction* i, ulong distance, out ulong value) where T : unmanaged
    {
        if ((i->Flags & InstructionFlags.Code64) == 0)
        {
            return PeekLegacy<T>(s, distance, out value);
        }

        bool done = LinearMemory.LoadStack(s, s->Gpr.Rsp + distance, out T narrow);
        value = Width.ZeroExtend(narrow);
        return done;
    }

    /// <summary>Moves the stack pointer up.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Release(CpuState* s, Instruction* i, ulong bytes)
    {
        if ((i->Flags & InstructionFlags.Code64) != 0)
        {
            s->Gpr.Rsp += bytes;
        }
        else
        {
            SetPointer(s, Pointer(s) + bytes);
        }
    }

    /// <summary>Mask of the stack pointer outside 64-bit mode (SDM Vol. 1 6.2.3).</summary>
    public static ulong Mask(CpuState* s) => s->Ss.IsDefaultBig ? uint.MaxValue : ushort.MaxValue;

    /// <summary>The stack pointer outside 64-bit mode.</summary>
    public static ulong Pointer(CpuState* s) => s->Gpr.Rsp & Mask(s);

    /// <summary>Sets the stack pointer outside 64-bit mode; a 16-bit stack leaves the upper half alone.</summary>
    public static void SetPointer(CpuState* s, ulong pointer)
    {
        ulong mask = Mask(s);
        s->Gpr.Rsp = (pointer & mask) | (s->Gpr.Rsp & ~mask & uint.MaxValue);
    }

    private static bool PushLegacy<T>(CpuState* s, ulong value) where T : unmanaged
    {
        ulong pointer = (Pointer(s) - (ulong)sizeof(T)) & Mask(s);
        if (!StoreLegacy(s, pointer, Width.Narrow<T>(value)))
        {
            return false;
        }

        SetPointer(s, pointer);
        return true;
    }

    /// <summary>Stores at an offset in the stack segment outside 64-bit mode, stack pointer unchanged.</summary>
    public static bool StoreLegacy<T>(CpuState* s, ulong offset, T value) where T : unmanaged =>
        LegacyAddress(s, offset, sizeof(T), out ulong linear) && LinearMemory.Store(s, linear, value);

    /// <summary>Whether some bytes at an offset in the stack could be written.</summary>
    public static bool ProbeWrite(CpuState* s, Instruction* i, ulong offset, int size)
    {
        ulong linear = offset;
        return ((i->Flags & InstructionFlags.Code64) != 0 || LegacyAddress(s, offset, size, out linear)) 
            && SlowAccess.ProbeWrite(s, linear, size, stack: true);
    }

    private static bool PeekLegacy<T>(CpuState* s, ulong distance, out ulong value) where T : unmanaged
    {
        value = 0;
        if (!LegacyAddress(s, (Pointer(s) + distance) & Mask(s), sizeof(T), out ulong linear))
        {
            return false;
        }

        bool done = LinearMemory.Load(s, linear, out T narrow);
        value = Width.ZeroExtend(narrow);
        return done;
    }

    private static bool LegacyAddress(CpuState* s, ulong offset, int size, out ulong linear)
    {
        linear = (uint)(s->SegmentBase[(int)SegmentRegister.Ss] + offset);
        if (Segmentation.SegmentedAddress.IsWithinLimit(s->Ss, offset, size))
        {
            return true;
        }

        LogicalProcessor.Of(s).Mmu.Fail(Faults.Raise(s, ExceptionVector.StackSegmentFault, 0));
        return false;
    }
}
