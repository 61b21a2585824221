using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>The admin command set (NVMe 1.4, chapter 5). Every command is done at once, or waits as its result says.</summary>
internal sealed class AdminCommands(
    IGuestMemory memory,
    IMessageInterrupts messages,
    ControllerRegisters registers,
    QueueSet queues,
    FeatureSet features,
    IdentifyData identify,
    LogPages logs,
    AsynchronousEvents events)
{
    private readonly List<Memory<byte>> _buffers = [];

    /// <summary>What came of a command.</summary>
    /// <param name="Status">The status, unless it waits.</param>
    /// <param name="Result">Dword 0 of the completion.</param>
    /// <param name="Waits">The completion comes later.</param>
    public readonly record struct Outcome(NvmeStatus Status, uint Result = 0, bool Waits = false);

    public Outcome Execute(in NvmeCommand command)
    {
        if (command.UsesUnsupportedForm)
        {
            return new Outcome(NvmeStatus.InvalidField);
        }

        switch ((AdminOpcode)command.Opcode)
        {
            case AdminOpcode.DeleteSubmissionQueue:
                return DeleteSubmissionQueue(command);
            case AdminOpcode.CreateSubmissionQueue or AdminOpcode.CreateCompletionQueue when !registers.HasEntrySizes:
                return new Outcome(NvmeStatus.InvalidQueueSize);
            case AdminOpcode.CreateSubmissionQueue:
                return new Outcome(queues.CreateSubmission(command));
            case AdminOpcode.GetLogPage:
                return new Outcome(GetLogPage(command));
            case AdminOpcode.DeleteCompletionQueue:
                return new Outcome(queues.DeleteCompletion((ushort)command.Dword10));
            case AdminOpcode.CreateCompletionQueue:
                return new Outcome(queues.CreateCompletion(command, usesPin: !messages.Enabled));
            case AdminOpcode.Identify:
                return new Outcome(Identify(command));
            case AdminOpcode.Abort:
                // Bit 0 set: the command was not aborted. What is with the backend ends by itself.
                return new Outcome(NvmeStatus.Success, Result: 1);
            case AdminOpcode.SetFeatures:
                return SetFeatures(command);
            case AdminOpcode.GetFeatures:
                return GetFeatures(command);
            case AdminOpcode.AsynchronousEventRequest:
                return events.TryAdd(command.CommandId)
                    ? new Outcome(NvmeStatus.Success, Waits: true)
                    : new Outcome(NvmeStatus.AsynchronousEventLimitExceeded);
            default:
                return new Outcome(NvmeStatus.InvalidOpcode);
        }
    }

    /// <summary>Delete I/O Submission Queue (5.6): done when the commands under way are.</summary>
    private Outcome DeleteSubmissionQueue(in NvmeCommand command)
    {
        ushort id = (ushort)command.Dword10;
        if (id == 0 || queues.FindSubmission(id) is not { DeletedBy: null } queue)
        {
            return new Outcome(NvmeStatus.InvalidQueueIdentifier);
        }

        if (queue.Outstanding > 0)
        {
            queue.DeletedBy = command.CommandId;
            return new Outcome(NvmeStatus.Success, Waits: true);
        }

        queues.Remove(queue);
        return new Outcome(NvmeStatus.Success);
    }

    private NvmeStatus Identify(in NvmeCommand command)
    {
        byte[] data = new byte[IdentifyData.Length];
        bool isNamespace = command.NamespaceId == IdentifyData.OnlyNamespace;
        switch (command.Dword10 & 0xff)
        {
            case 0x00:
                if (!isNamespace)
                {
                    return NvmeStatus.InvalidNamespaceOrFormat;
                }

                identify.WriteNamespace(data);
                break;
            case 0x01:
                identify.OfController.CopyTo(data);
                break;
            case 0x02:
                if (command.NamespaceId >= 0xffff_fffe)
                {
                    return NvmeStatus.InvalidNamespaceOrFormat;
                }

                IdentifyData.WriteNamespaceList(data, command.NamespaceId);
                break;
            case 0x03:
                if (!isNamespace)
                {
                    return NvmeStatus.InvalidNamespaceOrFormat;
                }

                identify.WriteDescriptors(data);
                break;
            default:
                return NvmeStatus.InvalidField;
        }

        return Send(command, data);
    }

    private NvmeStatus GetLogPage(in NvmeCommand command)
    {
        const uint RetainEvent = 1 << 15;
        var page = (LogPage)(command.Dword10 & 0xff);
        ulong length = (((command.Dword10 >> 16) | ((ulong)(command.Dword11 & 0xffff) << 16)) + 1) * 4;
        ulong offset = command.Dword12 | ((ulong)command.Dword13 << 32);
        if (logs.Find(page) is not { } log)
        {
            return NvmeStatus.InvalidLogPage;
        }

        // LPA bit 0 is clear: these pages are the controller's, not a namespace's.
        if (command.NamespaceId is not (0 or uint.MaxValue) || length > QueueLimits.LargestTransfer || offset > (ulong)log.Length || offset % 4 != 0)
        {
            return NvmeStatus.InvalidField;
        }

        byte[] data = new byte[length];
        var part = log.AsSpan((int)offset);
        part[..Math.Min(part.Length, data.Length)].CopyTo(data);
        var status = Send(command, data);
        if (status == NvmeStatus.Success && (command.Dword10 & RetainEvent) == 0)
        {
            events.Clear(page);
        }

        return status;
    }

    private Outcome SetFeatures(in NvmeCommand command)
    {
        const uint SaveBit = 1u << 31;
        if ((command.Dword10 & SaveBit) != 0)
        {
            return new Outcome(NvmeStatus.FeatureNotSaveable);
        }

        var status = features.Set((Feature)command.Dword10, command.Dword11, command.NamespaceId, queues.HasIoQueues, out uint result);
        if (features.TemperatureOutOfRange && features.TemperatureEventEnabled)
        {
            events.Raise(EventType.Health, EventInformation.TemperatureThreshold);
        }

        return new Outcome(status, result);
    }

    private Outcome GetFeatures(in NvmeCommand command)
    {
        // ONCS bit 4 is clear: only the current value can be selected.
        const uint Select = 7 << 8;
        if ((command.Dword10 & Select) != 0)
        {
            return new Outcome(NvmeStatus.InvalidField);
        }

        var status = features.Get((Feature)command.Dword10, command.Dword11, command.NamespaceId, out uint value);
        return new Outcome(status, value);
    }

    private NvmeStatus Send(in NvmeCommand command, ReadOnlySpan<byte> data)
    {
        _buffers.Clear();
        var status = new PhysicalRegionPages(memory, GuestAccess.Write, _buffers).Map(command.Prp1, command.Prp2, data.Length);
        if (status != NvmeStatus.Success)
        {
            return status;
        }

        foreach (var buffer in _buffers)
        {
            data[..buffer.Length].CopyTo(buffer.Span);
            data = data[buffer.Length..];
        }

        return NvmeStatus.Success;
    }
}
