using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>IN and OUT (SDM Vol. 1 ch. 19).</summary>
internal static unsafe class PortInstructions
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.In_AL_imm8, &InImmediate<byte>);
        table.Set(Code.In_AX_imm8, &InImmediate<ushort>);
        table.Set(Code.In_EAX_imm8, &InImmediate<uint>);
        table.Set(Code.In_AL_DX, &InDx<byte>);
        table.Set(Code.In_AX_DX, &InDx<ushort>);
        table.Set(Code.In_EAX_DX, &InDx<uint>);
        table.Set(Code.Out_imm8_AL, &OutImmediate<byte>);
        table.Set(Code.Out_imm8_AX, &OutImmediate<ushort>);
        table.Set(Code.Out_imm8_EAX, &OutImmediate<uint>);
        table.Set(Code.Out_DX_AL, &OutDx<byte>);
        table.Set(Code.Out_DX_AX, &OutDx<ushort>);
        table.Set(Code.Out_DX_EAX, &OutDx<uint>);
    }

    /// <summary>Permission by IOPL, then by the bitmap of the TSS (19.5); always in virtual-8086 mode.</summary>
    public static Outcome CheckPermission(CpuState* s, ushort port, int width)
    {
        bool byBitmap = ProcessorMode.IsProtected(s) && (s->Cpl > ProcessorMode.Iopl(s) || ProcessorMode.IsVirtual8086(s));
        return byBitmap ? TaskStateSegment.CheckPort(s, port, width) : Outcome.Next;
    }

    private static Outcome InImmediate<T>(CpuState* s, Instruction* i) where T : unmanaged => In<T>(s, i, (byte)i->Immediate, true);

    private static Outcome InDx<T>(CpuState* s, Instruction* i) where T : unmanaged => In<T>(s, i, (ushort)s->Gpr.Rdx, false);

    private static Outcome OutImmediate<T>(CpuState* s, Instruction* i) where T : unmanaged => Out<T>(s, i, (byte)i->Immediate, true);

    private static Outcome OutDx<T>(CpuState* s, Instruction* i) where T : unmanaged => Out<T>(s, i, (ushort)s->Gpr.Rdx, false);

    private static Outcome In<T>(CpuState* s, Instruction* i, ushort port, bool immediate) where T : unmanaged
    {
        Outcome outcome = CheckPermission(s, port, sizeof(T));
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        ulong data = ulong.MaxValue;
        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.IsActive && nonRoot.Controls.InterceptsPort(port, sizeof(T)))
        {
            outcome = nonRoot.ExitForPort(i, port, sizeof(T), isIn: true, immediate, ref data, out bool completed);
            if (!completed)
            {
                return outcome;
            }
        }

        switch (sizeof(T))
        {
            case 1:
                Operands.WriteRegister(s, 0, (byte)data);
                break;
            case 2:
                Operands.WriteRegister(s, 0, (ushort)data);
                break;
            default:
                Operands.WriteRegister(s, 0, (uint)data);
                break;
        }

        DebugExceptions.NotePortAccess(s, port, sizeof(T));
        return outcome;
    }

    private static Outcome Out<T>(CpuState* s, Instruction* i, ushort port, bool immediate) where T : unmanaged
    {
        Outcome outcome = CheckPermission(s, port, sizeof(T));
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.IsActive && nonRoot.Controls.InterceptsPort(port, sizeof(T)))
        {
            ulong data = sizeof(T) switch { 1 => (byte)s->Gpr.Rax, 2 => (ushort)s->Gpr.Rax, _ => (uint)s->Gpr.Rax };
            outcome = nonRoot.ExitForPort(i, port, sizeof(T), isIn: false, immediate, ref data, out bool completed);
            if (!completed)
            {
                return outcome;
            }
        }

        DebugExceptions.NotePortAccess(s, port, sizeof(T));
        return outcome;
    }
}
