using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>VM-exit instruction information of decoded instructions (SDM Vol. 3C 28.2.5).</summary>
internal static unsafe class InstructionInformation
{
    public static ExitInstructionInformation Of(Instruction* i, int extra) => (i->Flags & InstructionFlags.Memory) != 0
        ? Memory(i, extra)
        : ExitInstructionInformation.Register(Privilege.RegisterNumber(i->Destination), extra);

    public static ExitInstructionInformation Memory(Instruction* i, int extra) => ExitInstructionInformation.Memory(
        i->AddressSize, (SegmentRegister)i->Segment, Register(i->Base), Register(i->Index), i->Scale, extra);

    private static int? Register(ushort offset) => offset == CpuState.ZeroOffset ? null : Privilege.RegisterNumber(offset);
}
