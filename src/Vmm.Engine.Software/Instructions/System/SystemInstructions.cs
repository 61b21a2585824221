using Vmm.Engine.Software.Execute;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>System instructions, far control flow, I/O and everything else that VMX may intercept.</summary>
internal static class SystemInstructions
{
    public static void Register(HandlerTable table)
    {
        ControlRegisters.Register(table);
        DebugRegisters.Register(table);
        DescriptorTableRegisters.Register(table);
        SegmentRegisters.Register(table);
        SelectorChecks.Register(table);
        FarTransfers.Register(table);
        FarReturns.Register(table);
        SystemCalls.Register(table);
        SoftwareInterrupts.Register(table);
        FlagRegister.Register(table);
        ModelSpecificRegisters.Register(table);
        TimeStamps.Register(table);
        PortInstructions.Register(table);
        StringPortInstructions.Register(table);
        CacheControl.Register(table);
        TranslationControl.Register(table);
        ProcessorControl.Register(table);
        BaseRegisters.Register(table);
        RandomNumbers.Register(table);
        VmxInstructions.Register(table);
    }
}
