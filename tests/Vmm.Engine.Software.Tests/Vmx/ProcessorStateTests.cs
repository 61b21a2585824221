using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>The engine-neutral form of a processor.</summary>
public sealed class ProcessorStateTests
{
    private const int XstateBv = 512, Mxcsr = 24, FirstVector = 160, FirstUpperHalf = 576;

    [Fact]
    public void Components_that_xstate_bv_leaves_out_are_in_their_initial_configuration()
    {
        using VmxMachine machine = new VmxMachine().Start();
        ProcessorState state = Save(machine);
        Array.Fill(state.XsaveArea, (byte)0xFF, 0, 416);
        Array.Fill(state.XsaveArea, (byte)0xFF, FirstUpperHalf, 256);
        state.XsaveArea[XstateBv] = 0;
        machine.Processor.LoadState(state);
        byte[] area = Save(machine).XsaveArea;
        Assert.Equal(0x037F, BitConverter.ToUInt16(area, 0));
        Assert.Equal(0x1F80u, BitConverter.ToUInt32(area, Mxcsr));
        Assert.All(area.AsSpan(FirstVector, 256).ToArray(), value => Assert.Equal(0, value));
        Assert.All(area.AsSpan(FirstUpperHalf, 256).ToArray(), value => Assert.Equal(0, value));
    }

    [Fact]
    public void Upper_halves_of_vector_registers_are_saved_and_loaded()
    {
        using VmxMachine machine = new VmxMachine().Start();
        ProcessorState state = Save(machine);
        byte[] halves = [.. Enumerable.Range(0, 256).Select(n => (byte)n)];
        halves.CopyTo(state.XsaveArea, FirstUpperHalf);
        state.Xcr0 = 7;
        machine.Processor.LoadState(state);
        ProcessorState again = Save(machine);
        Assert.Equal(7, again.XsaveArea[XstateBv]);
        Assert.Equal(halves, again.XsaveArea.AsSpan(FirstUpperHalf, 256).ToArray());
    }

    [Fact]
    public void A_software_event_keeps_the_length_of_its_instruction()
    {
        using VmxMachine machine = new VmxMachine().Start();
        ProcessorState state = Save(machine);
        state.PendingEvent = 0x8000_0480; // INT 80H
        state.PendingEventInstructionLength = 2;
        machine.Processor.LoadState(state);
        ProcessorState again = Save(machine);
        Assert.Equal((0x8000_0480u, 2u), (again.PendingEvent, again.PendingEventInstructionLength));
    }

    private static ProcessorState Save(VmxMachine machine)
    {
        ProcessorState state = new();
        machine.Processor.SaveState(state);
        return state;
    }
}
