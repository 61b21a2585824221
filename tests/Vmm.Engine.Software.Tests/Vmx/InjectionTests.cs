using System.Buffers.Binary;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Sdk;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>Events that a sink injects at an exit between instructions.</summary>
public sealed class InjectionTests
{
    private const byte Vector = 0x40;
    private const ushort Code = 0x1000, Handler = 0x2000;

    [Fact]
    public void An_interrupt_injected_at_a_kick_enters_before_any_instruction()
    {
        using FlatMemory memory = new(1 << 20);
        using IVmxMachine machine = new SoftwareEngine().CreateMachine(memory, new FixedTime());
        using ILogicalProcessor processor = machine.CreateProcessor(0);
        byte[] program = [0xE6, 0x80, 0xEB, 0xFC]; // out 0x80, al; jmp $-2
        byte[] handler = [0xE6, 0x81, 0xF4]; // out 0x81, al; hlt
        program.CopyTo(memory.Bytes[Code..]);
        handler.CopyTo(memory.Bytes[Handler..]);
        BinaryPrimitives.WriteUInt16LittleEndian(memory.Bytes[(Vector * 4)..], Handler);
        Prepare(machine, processor);
        var sink = new Sink(processor);
        processor.Kick();

        Assert.True(processor.VmLaunch(sink).IsSuccess);
        Assert.Equal([ExitReason.ExternalInterrupt, ExitReason.IoInstruction], sink.Reasons);
        Assert.Equal(0x81, sink.Port);
    }

    private static void Prepare(IVmxMachine machine, ILogicalProcessor processor)
    {
        VmxCapabilities capabilities = new SoftwareEngine().Capabilities;
        ulong vmcs = machine.AllocatePage().PhysicalAddress;
        processor.VmxOn(machine.AllocatePage().PhysicalAddress);
        processor.VmClear(vmcs);
        processor.VmPtrLd(vmcs);
        HostPage top = machine.AllocatePage(), pointers = machine.AllocatePage();
        const EptAccess All = EptAccess.Read | EptAccess.Write | EptAccess.Execute;
        BinaryPrimitives.WriteUInt64LittleEndian(top.Memory.Span, EptEntry.Table(pointers.PhysicalAddress).Value);
        BinaryPrimitives.WriteUInt64LittleEndian(pointers.Memory.Span, EptEntry.Page(0, All, level: 3).Value);

        ProcessorState state = new() { Rip = Code, Rflags = (ulong)(RflagsBits.Fixed1 | RflagsBits.If), Cr0 = (ulong)(Cr0Bits.Et | Cr0Bits.Ne), Cr4 = (ulong)Cr4Bits.Vmxe };
        state.Segments.AsSpan(0, 6).Fill(new SegmentState(0, 0, 0xFFFF, 0x93));
        state.Segments[(int)SegmentRegister.Cs] = new SegmentState(0, 0, 0xFFFF, 0x9B);
        state.Segments[(int)SegmentRegister.Ldtr] = new SegmentState(0, 0, 0xFFFF, 0x82);
        state.Segments[(int)SegmentRegister.Tr] = new SegmentState(0, 0, 0xFFFF, 0x8B);
        state.Idtr = new DescriptorTableState(0, 0x3FF);
        state.DebugRegisters[7] = 0x400;
        state.Msrs[Msr.Ia32Pat] = 0x0007_0406_0007_0406;
        state.Registers.Rsp = 0x8000;
        processor.LoadState(state);

        Control(VmcsField.PinBasedControls, Msr.Ia32VmxTruePinbasedCtls, (uint)PinBasedControls.ExternalInterruptExiting);
        Control(
            VmcsField.PrimaryProcessorBasedControls, Msr.Ia32VmxTrueProcbasedCtls,
            (uint)(PrimaryProcessorBasedControls.HltExiting | PrimaryProcessorBasedControls.UnconditionalIoExiting | PrimaryProcessorBasedControls.ActivateSecondaryControls));
        Control(
            VmcsField.SecondaryProcessorBasedControls, Msr.Ia32VmxProcbasedCtls2,
            (uint)(SecondaryProcessorBasedControls.EnableEpt | SecondaryProcessorBasedControls.UnrestrictedGuest));
        Control(VmcsField.VmExitControls, Msr.Ia32VmxTrueExitCtls, (uint)(VmExitControls.HostAddressSpaceSize | VmExitControls.LoadIa32Efer));
        Control(VmcsField.VmEntryControls, Msr.Ia32VmxTrueEntryCtls, 0);
        Write(VmcsField.EptPointer, EptPointer.Create(top.PhysicalAddress).Value);
        Write(VmcsField.VmcsLinkPointer, ulong.MaxValue);
        Write(VmcsField.HostCr0, capabilities.Msrs[Msr.Ia32VmxCr0Fixed0]);
        Write(VmcsField.HostCr4, capabilities.Msrs[Msr.Ia32VmxCr4Fixed0] | (ulong)Cr4Bits.Pae);
        Write(VmcsField.HostCsSelector, 8);
        Write(VmcsField.HostTrSelector, 16);
        Write(VmcsField.HostIa32Efer, (ulong)(EferBits.Lme | EferBits.Lma));

        void Control(VmcsField field, uint msr, uint wanted) => Write(field, capabilities.Adjust(msr, wanted));
        void Write(VmcsField field, ulong value) => Assert.True(processor.VmWrite(field, value).IsSuccess, $"{field}");
    }

    /// <summary>Injects at the kick and leaves at anything else.</summary>
    private sealed class Sink(ILogicalProcessor processor) : IVmExitSink
    {
        public List<ExitReason> Reasons { get; } = [];

        public ushort Port { get; private set; }

        public VmExitAction OnExit(ref VmExit exit)
        {
            Reasons.Add(exit.Reason);
            Port = exit.Port;
            if (exit.Reason != ExitReason.ExternalInterrupt)
            {
                return VmExitAction.Leave;
            }

            processor.VmWrite(VmcsField.EntryInterruptionInformation, InterruptionInformation.ExternalInterrupt(Vector).Value);
            return VmExitAction.Resume;
        }
    }
}
