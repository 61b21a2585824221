using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>
/// VMCALL, the one VMX instruction for guests. All others are undefined while CPUID announces no VMX to guests, as
/// CR4.VMXE is then never the guest's.
/// </summary>
internal static unsafe class VmxInstructions
{
    public static void Register(HandlerTable table) => table.Set(Code.Vmcall, &Call);

    private static Outcome Call(CpuState* s, Instruction* i)
    {
        NonRoot nonRoot = Privilege.NonRoot(s);
        if (!nonRoot.IsActive)
        {
            return Faults.InvalidOpcode(s);
        }

        Outcome outcome = nonRoot.Exit(i, ExitReason.Vmcall);
        return outcome;
    }
}
