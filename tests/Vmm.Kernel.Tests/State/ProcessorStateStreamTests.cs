using System.Runtime.InteropServices;

namespace Vmm.Kernel.Tests;

public sealed class ProcessorStateStreamTests
{
    [Fact]
    public void Every_member_comes_back()
    {
        ProcessorState state = NewState();
        ProcessorState again = Read(Write(state));
        Assert.Equal(Convert.ToHexString(Write(state)), Convert.ToHexString(Write(again)));
        Assert.Equal(state.Registers, again.Registers);
        Assert.Equal(state.Segments, again.Segments);
        Assert.Equal((state.Gdtr, state.Idtr), (again.Gdtr, again.Idtr));
        Assert.Equal(state.Msrs, again.Msrs);
        Assert.Equal(state.DebugRegisters, again.DebugRegisters);
        Assert.Equal(state.XsaveArea, again.XsaveArea);
        Assert.Equal(state.PageDirectoryPointers, again.PageDirectoryPointers);
        Assert.Equal((state.NmiPending, state.InitPending, state.StartupVector), (again.NmiPending, again.InitPending, again.StartupVector));
        Assert.Equivalent(state.LocalApic, again.LocalApic, strict: true);
    }

    [Fact]
    public void What_is_absent_stays_absent()
    {
        ProcessorState state = NewState();
        state.PageDirectoryPointers = null;
        state.StartupVector = null;
        state.LocalApic!.TimerExpiry = null;
        ProcessorState again = Read(Write(state));
        Assert.Null(again.PageDirectoryPointers);
        Assert.Null(again.StartupVector);
        Assert.Null(again.LocalApic!.TimerExpiry);
    }

    [Fact]
    public void Every_field_has_a_name()
    {
        var reader = new StateReader(Write(NewState()), 1, "test");
        Assert.DoesNotContain(reader.Fields, field => char.IsDigit(KernelSchemas.FieldName(KernelSchemas.Processor, [field.Number])[0]));
        Assert.Equal("Rip", KernelSchemas.FieldName(KernelSchemas.Processor, [17]));
        Assert.Equal("Selector", KernelSchemas.FieldName(KernelSchemas.Processor, [(int)ProcessorField.Cs, 1]));
    }

    private static ProcessorState NewState()
    {
        ProcessorState state = new()
        {
            Rip = 0x1122, Rflags = 0x202, Gdtr = new(0x1000, 0x7F), Idtr = new(0x2000, 0xFFF), Cr0 = 0x8000_0011, Cr2 = 5, Cr3 = 0x3000, Cr4 = 0x20, Cr8 = 3, Xcr0 = 3,
            Interruptibility = 8, Activity = 1, PendingDebugExceptions = 0x4000, PendingEvent = 0x8000_0480, PendingEventErrorCode = 7, PendingEventInstructionLength = 2,
            PageDirectoryPointers = [1, 2, 3, 4], NmiPending = true, InitPending = true, StartupVector = 0x9A, TimestampOffset = 99, TimestampFrequency = 2_100_000_000,
            LocalApic = new LocalApicState { Base = 0xFEE0_0900, PendingErrors = 1, TimerExpiry = 12345, TimestampDeadline = 678 },
        };
        Random random = new(1);
        random.NextBytes(MemoryMarshal.AsBytes(new Span<GuestRegisters>(ref state.Registers)));
        random.NextBytes(state.XsaveArea);
        random.NextBytes(MemoryMarshal.AsBytes(state.LocalApic.Registers.AsSpan()));
        for (int n = 0; n < 8; n++)
        {
            state.Segments[n] = new SegmentState((ushort)(8 * n), (ulong)n << 20, 0xFFFF, 0x93);
            state.DebugRegisters[n] = n is 4 or 5 ? 0 : (ulong)n + 1;
        }

        state.Msrs[Msr.Ia32Efer] = 0xD01;
        state.Msrs[Msr.Ia32Star] = 1;
        return state;
    }

    private static byte[] Write(ProcessorState state)
    {
        var writer = new StateWriter();
        ProcessorStateStream.Write(writer, state);
        return writer.ToArray();
    }

    private static ProcessorState Read(byte[] section)
    {
        var reader = new StateReader(section, 1, "test");
        ProcessorState state = ProcessorStateStream.Read(reader);
        reader.RequireAllRead();
        return state;
    }
}
