namespace Vmm.Kernel;

/// <summary>An interrupt controller with the gate of the device that it is; its abilities are looked up once.</summary>
internal sealed class AttachedController(DeviceInstance owner, IInterruptController controller)
{
    private readonly IExternalInterruptSource? _external = controller as IExternalInterruptSource;
    private readonly IEndOfInterruptListener? _listener = controller as IEndOfInterruptListener;

    public void SetLine(int line, bool asserted)
    {
        lock (owner.Gate)
        {
            if (owner.Faulted)
            {
                return;
            }

            try
            {
                controller.SetLine(line, asserted);
            }
            catch (Exception e)
            {
                owner.Fault($"interrupt line {line}", e);
            }
        }
    }

    public byte? Acknowledge()
    {
        if (_external is null)
        {
            return null;
        }

        lock (owner.Gate)
        {
            if (owner.Faulted)
            {
                return null;
            }

            try
            {
                return _external.Acknowledge();
            }
            catch (Exception e)
            {
                owner.Fault("an interrupt acknowledge cycle", e);
                return null;
            }
        }
    }

    public void EndOfInterrupt(byte vector)
    {
        if (_listener is null)
        {
            return;
        }

        lock (owner.Gate)
        {
            if (owner.Faulted)
            {
                return;
            }

            try
            {
                _listener.EndOfInterrupt(vector);
            }
            catch (Exception e)
            {
                owner.Fault($"the end of interrupt 0x{vector:x}", e);
            }
        }
    }
}
