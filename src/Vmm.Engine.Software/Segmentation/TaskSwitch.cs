using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>
/// Task switches (SDM Vol. 3A 8.3). In VMX non-root operation one exits with reason 9 first; when the sink answers with
/// completion, the switch is made here all the same.
/// </summary>
internal static unsafe class TaskSwitch
{
    private const uint BusyBit = 2;

    /// <summary>Switches; <see cref="Outcome.Branch"/>: RIP is the new task's.</summary>
    public static Outcome Perform(CpuState* s, in TaskSwitchRequest request)
    {
        Outcome outcome = CheckTarget(s, request, out Descriptor descriptor);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        LogicalProcessor processor = LogicalProcessor.Of(s);
        if (processor.NonRoot.IsActive)
        {
            outcome = processor.NonRoot.ExitForTaskSwitch(request);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        return Switch(s, request, descriptor);
    }

    private static Outcome CheckTarget(CpuState* s, in TaskSwitchRequest request, out Descriptor descriptor)
    {
        ushort selector = request.Selector;
        uint error = (uint)(selector & ~3) | request.External;
        bool isReturn = request.Source == TaskSwitchSource.Iret;
        ExceptionVector vector = isReturn ? ExceptionVector.InvalidTss : ExceptionVector.GeneralProtection;
        descriptor = default;
        if ((selector & 4) != 0 || DescriptorTables.IsNull(selector))
        {
            return Faults.Raise(s, vector, error);
        }

        Outcome outcome = DescriptorTables.Read(s, selector, vector, out descriptor, request.External);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        bool busy = descriptor.IsSystem(SystemDescriptorType.BusyTss) || descriptor.IsSystem(SystemDescriptorType.BusyTss16);
        bool available = descriptor.IsSystem(SystemDescriptorType.AvailableTss) || descriptor.IsSystem(SystemDescriptorType.AvailableTss16);
        if (isReturn ? !busy : !available)
        {
            return Faults.Raise(s, vector, error);
        }

        if (!descriptor.IsPresent)
        {
            return Faults.Raise(s, ExceptionVector.SegmentNotPresent, error);
        }

        uint minimum = TaskStateSegment.Is32Bit(descriptor.Type) ? 0x67u : 0x2Bu;
        return descriptor.Limit >= minimum ? Outcome.Next : Faults.Raise(s, ExceptionVector.InvalidTss, error);
    }

    private static Outcome Switch(CpuState* s, in TaskSwitchRequest request, Descriptor descriptor)
    {
        // Everything that can fail for the new TSS image fails before the old task is left.
        if (!TaskImage.Read(s, descriptor.Base, TaskStateSegment.Is32Bit(descriptor.Type), out TaskImage image)
            || !SaveOldTask(s, request))
        {
            return SlowAccess.Failure(s);
        }

        if (request.IsNested)
        {
            if (!SystemAccess.Write(s, descriptor.Base, s->Tr.Selector))
            {
                return SlowAccess.Failure(s);
            }

            image.Rflags |= (uint)RflagsBits.Nt;
        }

        if (request.Source != TaskSwitchSource.Iret && !SetBusy(s, request.Selector, true))
        {
            return SlowAccess.Failure(s);
        }

        s->Tr = descriptor.ToSegment(request.Selector);
        s->Tr.AccessRights |= BusyBit;
        s->Cr0 |= (ulong)Cr0Bits.Ts;
        return image.Load(s, request);
    }

    private static bool SaveOldTask(CpuState* s, in TaskSwitchRequest request)
    {
        ulong rflags = ArithmeticFlags.ReadRflags(s);
        if (request.Source == TaskSwitchSource.Iret)
        {
            rflags &= ~(ulong)RflagsBits.Nt;
        }

        bool leavesTask = request.Source is TaskSwitchSource.Iret or TaskSwitchSource.Jmp;
        return TaskImage.Save(s, request.ReturnAddress, (uint)rflags) && (!leavesTask || SetBusy(s, s->Tr.Selector, false));
    }

    private static bool SetBusy(CpuState* s, ushort selector, bool busy)
    {
        if (!DescriptorTables.TryLocate(s, selector, 8, out ulong address))
        {
            return true;
        }

        return SystemAccess.Read(s, address + 5, out byte type)
            && SystemAccess.Write(s, address + 5, (byte)(busy ? type | BusyBit : type & ~BusyBit));
    }
}
