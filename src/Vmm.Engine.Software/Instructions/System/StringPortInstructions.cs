using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>INS and OUTS, repeated too: each element is an access, and an exit, of its own.</summary>
internal static unsafe class StringPortInstructions
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Insb_m8_DX, &In<byte>);
        table.Set(Code.Insw_m16_DX, &In<ushort>);
        table.Set(Code.Insd_m32_DX, &In<uint>);
        table.Set(Code.Outsb_DX_m8, &Out<byte>);
        table.Set(Code.Outsw_DX_m16, &Out<ushort>);
        table.Set(Code.Outsd_DX_m32, &Out<uint>);
    }

    private static Outcome In<T>(CpuState* s, Instruction* i) where T : unmanaged => Repeat<T>(s, i, isIn: true);

    private static Outcome Out<T>(CpuState* s, Instruction* i) where T : unmanaged => Repeat<T>(s, i, isIn: false);

    private static Outcome Repeat<T>(CpuState* s, Instruction* i, bool isIn) where T : unmanaged
    {
        bool repeats = (i->Flags & (InstructionFlags.Rep | InstructionFlags.Repne)) != 0;
        if (repeats && (s->Gpr.Rcx & i->AddressMask) == 0)
        {
            return Outcome.Next;
        }

        Outcome outcome = PortInstructions.CheckPermission(s, (ushort)s->Gpr.Rdx, sizeof(T));
        while (outcome == Outcome.Next)
        {
            outcome = isIn ? InOne<T>(s, i, out bool done) : OutOne<T>(s, i, out done);
            if (!done)
            {
                return outcome;
            }

            bool last = !repeats || Decrement(s, i) == 0;
            if (last)
            {
                // Left after the last element: the whole instruction is done.
                if (outcome != Outcome.Next)
                {
                    s->Rip = i->NextRip;
                    return outcome;
                }

                return repeats ? Repetition.Complete(s) : Outcome.Next;
            }

            if (outcome == Outcome.Next && (s->EventPending != 0 || (s->BlockMode & BlockMode.Single) != 0))
            {
                return Repetition.Suspend(s, i);
            }
        }

        if (outcome == Outcome.Leave)
        {
            s->Rip = i->Rip;
        }

        return outcome;
    }

    private static Outcome InOne<T>(CpuState* s, Instruction* i, out bool done) where T : unmanaged
    {
        done = false;
        ulong offset = s->Gpr.Rdi & i->AddressMask;
        if (!Address(s, i, SegmentRegister.Es, offset, sizeof(T), write: true, out ulong linear)
            || !LogicalProcessor.Of(s).Mmu.ProbeWrite(linear, sizeof(T)))
        {
            return SlowAccess.Failure(s);
        }

        ulong data = ulong.MaxValue;
        ushort port = (ushort)s->Gpr.Rdx;
        Outcome outcome = Exit<T>(s, i, port, isIn: true, linear, SegmentRegister.Es, ref data, out done);
        if (!done)
        {
            return outcome;
        }

        if (!LinearMemory.Store(s, linear, *(T*)&data))
        {
            done = false;
            return SlowAccess.Failure(s);
        }

        DebugExceptions.NotePortAccess(s, port, sizeof(T));
        Advance<T>(s, i, ref s->Gpr.Rdi);
        return outcome;
    }

    private static Outcome OutOne<T>(CpuState* s, Instruction* i, out bool done) where T : unmanaged
    {
        done = false;
        ulong offset = s->Gpr.Rsi & i->AddressMask;
        var segment = (SegmentRegister)i->Segment;
        if (!Address(s, i, segment, offset, sizeof(T), write: false, out ulong linear) || !LinearMemory.Load(s, linear, out T value))
        {
            return SlowAccess.Failure(s);
        }

        ulong data = 0;
        *(T*)&data = value;
        ushort port = (ushort)s->Gpr.Rdx;
        Outcome outcome = Exit<T>(s, i, port, isIn: false, linear, segment, ref data, out done);
        if (done)
        {
            DebugExceptions.NotePortAccess(s, port, sizeof(T));
            Advance<T>(s, i, ref s->Gpr.Rsi);
        }

        return outcome;
    }

    private static Outcome Exit<T>(
        CpuState* s, Instruction* i, ushort port, bool isIn, ulong linear, SegmentRegister segment, ref ulong data, out bool done)
        where T : unmanaged
    {
        done = true;
        NonRoot nonRoot = Privilege.NonRoot(s);
        return nonRoot.IsActive && nonRoot.Controls.InterceptsPort(port, sizeof(T))
            ? nonRoot.ExitForStringPort(i, port, sizeof(T), isIn, linear, segment, ref data, out done)
            : Outcome.Next;
    }

    private static bool Address(CpuState* s, Instruction* i, SegmentRegister register, ulong offset, int size, bool write, out ulong linear)
    {
        if ((i->Flags & InstructionFlags.Code64) == 0)
        {
            return SegmentedAddress.Check(s, register, offset, size, write, out linear);
        }

        linear = offset + (register >= SegmentRegister.Fs ? s->SegmentBase[(int)register] : 0);
        return true;
    }

    private static void Advance<T>(CpuState* s, Instruction* i, ref ulong register) where T : unmanaged
    {
        bool down = (s->SystemFlags & (ulong)RflagsBits.Df) != 0;
        Set(i, ref register, down ? register - (ulong)sizeof(T) : register + (ulong)sizeof(T));
    }

    private static ulong Decrement(CpuState* s, Instruction* i)
    {
        Set(i, ref s->Gpr.Rcx, s->Gpr.Rcx - 1);
        return s->Gpr.Rcx & i->AddressMask;
    }

    // 16-bit registers keep their upper parts, 32-bit ones lose them.
    private static void Set(Instruction* i, ref ulong register, ulong value) => register = i->AddressSize switch
    {
        2 => (register & ~0xFFFFUL) | (ushort)value,
        4 => (uint)value,
        _ => value,
    };
}
